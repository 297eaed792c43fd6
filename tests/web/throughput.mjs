// How fast a server answers 8 clients at once, beside `ken bench` on the same file in the same minute.
// Usage: node throughput.mjs KEN MODEL.gguf [CLIENTS=8] [TOKENS=128]
import { execFileSync, spawn } from 'node:child_process'

const [ken, model, clients = '8', tokens = '128'] = process.argv.slice(2)

function bench() {
  return execFileSync(ken, ['bench', model, '--json', '--work', 'decode', '--rows', clients], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
}

async function served() {
  const child = spawn(ken, ['serve', model, '--port', '0', '--json'], { stdio: ['ignore', 'pipe', 'inherit'] })
  const { url } = await new Promise((resolve) => child.stdout.once('data', (data) => resolve(JSON.parse(data))))
  const info = await (await fetch(`${url}/tokenizer_info`)).json()
  const ask = async (i) => {
    const body = {
      prompt: Array.from({ length: 128 }, (_, t) => (t * 31 + i * 7) % 200 + 3), max_tokens: Number(tokens), temperature: 0,
      stream: true, logit_bias: info.eos_token_id === null ? {} : { [info.eos_token_id]: -100 },
    }
    const reply = await fetch(`${url}/v1/completions`, { method: 'POST', body: JSON.stringify(body) })
    const times = []
    for await (const piece of reply.body) if (Buffer.from(piece).toString().includes('"text"')) times.push(performance.now())
    return times
  }
  await ask(0)
  const all = await Promise.all(Array.from({ length: Number(clients) }, (_, i) => ask(i + 1)))
  const metrics = await (await fetch(`${url}/metrics`)).text()
  child.kill('SIGTERM')
  const begin = Math.max(...all.map((t) => t[0])), end = Math.min(...all.map((t) => t[t.length - 1]))
  const during = all.flat().filter((t) => t > begin && t <= end).length
  return { tokens_per_second: during / ((end - begin) / 1000), metrics: metrics.match(/step_seconds_total (.*)/)[1] }
}

console.log(bench())
console.log(JSON.stringify(await served()))
