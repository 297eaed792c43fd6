// How fast a server answers clients at once, whole and as streams, in turn with `ken bench` of the same batch: as many rows behind
// one prompt of 128 tokens, each writing as many tokens. Prints each round, then medians and their ratios; `clients` is what
// the streaming clients themselves take, in cores.
// Usage: node throughput.mjs KEN MODEL.gguf [CLIENTS=8] [TOKENS=300] [ROUNDS=5]
import { execFileSync, spawn } from 'node:child_process'

const [ken, model, clients = '8', tokens = '300', rounds = '5'] = process.argv.slice(2)

function bench() {
  const what = ['--work', 'decode', '--rows', clients, '--new-tokens', tokens, '--repeat', '1']
  return JSON.parse(execFileSync(ken, ['bench', model, '--json', ...what], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })).value
}

async function served() {
  const child = spawn(ken, ['serve', model, '--port', '0', '--json'], { stdio: ['ignore', 'pipe', 'inherit'] })
  const { url } = await new Promise((resolve) => child.stdout.once('data', (data) => resolve(JSON.parse(data))))
  const info = await (await fetch(`${url}/tokenizer_info`)).json()
  const prompt = Array.from({ length: 128 }, (_, t) => ((t * 31) % 200) + 3)
  const never = info.eos_token_id === null ? {} : { [info.eos_token_id]: -100 }
  const ask = async (max_tokens, stream) => {
    const body = { prompt, max_tokens, temperature: 0, stream, logit_bias: never }
    await (await fetch(`${url}/v1/completions`, { method: 'POST', body: JSON.stringify(body) })).arrayBuffer()
  }
  const rate = async (stream) => {
    const begin = performance.now(), used = process.cpuUsage()
    await Promise.all(Array.from({ length: Number(clients) }, () => ask(Number(tokens), stream)))
    const wall = performance.now() - begin, { user, system } = process.cpuUsage(used)
    return { rate: (1000 * clients * tokens) / wall, clients: (user + system) / 1000 / wall }
  }
  await Promise.all(Array.from({ length: Number(clients) }, () => ask(2, true)))
  const whole = await rate(false), streamed = await rate(true)
  child.kill('SIGTERM')
  return { whole: whole.rate, streamed: streamed.rate, clients: streamed.clients }
}

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]
const all = []
for (let i = 0; i < Number(rounds); ++i) {
  all.push({ bench: bench(), ...(await served()) })
  console.log(JSON.stringify(all.at(-1)))
}
const of = (name) => median(all.map((round) => round[name]))
const ratio = (name) => median(all.map((round) => round[name] / round.bench))
console.log(JSON.stringify({ bench: of('bench'), whole: of('whole'), streamed: of('streamed'), clients: of('clients'), ratios: [ratio('whole'), ratio('streamed')] }))
