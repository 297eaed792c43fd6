// Builds dist/report.html and, with --mode workbench, dist/workbench.html: each one file with all script and style inside, so that it
// needs nothing but itself. Two builds, because pages of one build would share a file.
import { defineConfig, type Plugin } from "vite";

// Inside a page, "</script" ends a script and "<!--" changes how it is read, even within a string literal.
function script_safe(code: string): string {
  return code.replace(/<\/script/gi, "<\\/script").replace(/<!--/g, "\\x3C!--");
}

function inline_everything(name: string): Plugin {
  return {
    name: "inline-everything",
    enforce: "post",
    generateBundle(_, bundle) {
      const page = bundle[name];
      if (page?.type !== "asset") throw new Error(`the build made no ${name}`);
      let script = "", style = "";
      for (const [name, item] of Object.entries(bundle)) {
        if (item === page) continue;
        if (item.type === "chunk") script += item.code;
        else if (name.endsWith(".css")) style += String(item.source);
        else throw new Error(`cannot put ${name} inside the page`);
        delete bundle[name];
      }
      page.source = String(page.source)
        .replace(/\s*<script type="module"[^>]*src="[^"]*"[^>]*><\/script>/, "")
        .replace(/\s*<link rel="stylesheet"[^>]*>/, () => `\n<style>${style.trim()}</style>`)
        .replace("</body>", () => `<script type="module">${script_safe(script.trim())}</script>\n</body>`);
    },
  };
}

export default defineConfig(({ mode }) => {
  const page = mode === "workbench" ? "workbench.html" : "report.html";
  return {
    base: "./",
    plugins: [inline_everything(page)],
    build: {
      target: "es2022",
      modulePreload: false,
      cssCodeSplit: false,
      emptyOutDir: false, // the other page lies there, too
      chunkSizeWarningLimit: 1000,
      rollupOptions: { input: page },
    },
  };
});
