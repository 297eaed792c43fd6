// Many clients at once, some of them rude: each whole answer must be what the same request gives alone, nothing may crash or
// leak, and the queue says 429. Usage: node load_check.mjs KEN [SECONDS=300] [MODEL]
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import net from 'node:net'

const [ken, seconds = '300', model = 'almanac-tiny'] = process.argv.slice(2)
const child = spawn(ken, ['serve', model, '--port', '0', '--json', '--max-requests', '40', '--api-key', 'right'], { stdio: ['ignore', 'pipe', 'pipe'] })
let said = '', ended = null
child.stderr.on('data', (data) => (said += data))
child.on('exit', (code, signal) => (ended = signal ?? code))
const { url } = await new Promise((resolve, reject) => {
  child.stdout.once('data', (data) => resolve(JSON.parse(data)))
  child.once('exit', (code) => reject(new Error(`ken serve ended with ${code}: ${said}`)))
})
const headers = { Authorization: 'Bearer right' }
const post = (path, body, more = {}) => fetch(url + path, { method: 'POST', headers, body: typeof body === 'string' ? body : JSON.stringify(body), ...more })
const rss = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))[1]) / 1024
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

let state = 12345
const random = (n) => (state = (state * 1103515245 + 12345) % 2147483648) % n
const controls = [[], ['vector:strength=2'], ['dola'], ['ck-plug'], ['cad:alpha=1']]
const requests = Array.from({ length: 24 }, (_, i) => ({
  messages: [{ role: 'user', content: `where was ${['Ada', 'Tata', 'Zuzu', 'Mira'][i % 4]} Person${i} born ?` }],
  temperature: i % 3 ? 0.9 : 0, seed: i, max_tokens: 4 + (i % 12), logprobs: true,
  ken: { context: ['the birthplace of Ada Lovelace is Turin .'], controls: controls[i % controls.length] },
}))

const counts = { whole: 0, aborted: 0, busy: 0, refused: 0, different: 0, wrong: 0 }
const answer = (json) => JSON.stringify(json.choices.map((c) => [c.message.content, c.logprobs.content.map((t) => t.logprob)]))
const alone = []
for (const request of requests) alone.push(answer(await (await post('/v1/chat/completions', request)).json()))

async function streamed(i, stop_after) {
  const abort = new AbortController()
  const reply = await post('/v1/chat/completions', { ...requests[i], stream: true }, { signal: abort.signal })
  if (reply.status === 429) return void ((counts.busy += 1), reply.headers.get('retry-after') || (counts.wrong += 1), await reply.text())
  let text = '', pieces = 0
  for await (const piece of reply.body) {
    text += Buffer.from(piece).toString()
    if (stop_after !== undefined && ++pieces > stop_after) {
      abort.abort()
      return void (counts.aborted += 1)
    }
  }
  const chunks = text.split('\n\n').filter((line) => line.startsWith('data: {')).map((line) => JSON.parse(line.slice(6)))
  const content = chunks.map((c) => c.choices[0]?.delta?.content ?? '').join('')
  const logprobs = chunks.flatMap((c) => c.choices[0]?.logprobs?.content ?? []).map((t) => t.logprob)
  counts.whole += 1
  if (JSON.stringify([[content, logprobs]]) !== alone[i]) counts.different += 1
}
const expect = async (reply, status) => {
  const text = await reply.text().catch(() => '')
  const good = reply.status === status || reply.status === 429
  counts[good ? 'refused' : 'wrong'] += 1
  if (!good) console.log(`${reply.status} instead of ${status}: ${text.slice(0, 200)}`)
}
const rude = [
  async () => expect(await post('/v1/chat/completions', '{"messages": [', {}), 400),
  async () => expect(await post('/v1/completions', { prompt: Array(10000).fill(5) }), 400),
  async () => expect(await post('/v1/completions', { prompt: 'a', ken: { controls: ['vector:file=/etc/passwd'] } }), 400),
  async () => expect(await fetch(`${url}/v1/models`, { headers: { Authorization: 'Bearer wrong' } }), 401),
  async () => post('/v1/completions', 'x'.repeat(9 << 20)).then((r) => expect(r, 413), () => (counts.refused += 1)), // closed while we wrote
  // Half a request, then silence or an end.
  () => new Promise((resolve) => {
    const socket = net.connect(new URL(url).port, '127.0.0.1', () => {
      socket.write('POST /v1/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer right\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab')
      setTimeout(() => (socket.destroy(), (counts.refused += 1), resolve()), random(2000))
    })
    socket.on('error', resolve)
  }),
  // Reads nothing for a while.
  async () => {
    const reply = await post('/v1/chat/completions', { ...requests[1], stream: true })
    await pause(500 + random(1500))
    await reply.text()
  },
]

async function client() {
  while (Date.now() < end && ended === null) {
    const choice = random(10)
    try {
      if (choice < 6) await streamed(random(requests.length))
      else if (choice < 8) await streamed(random(requests.length), random(3))
      else await rude[random(rude.length)]()
    } catch (error) {
      if (error.name !== 'AbortError') (counts.wrong += 1), console.log(String(error.cause ?? error))
    }
  }
}

const begin = Date.now(), end = begin + 1000 * Number(seconds)
const memory = []
const watch = setInterval(() => memory.push(rss()), Math.max(200, Number(seconds) * 10))
await Promise.all(Array.from({ length: 48 }, client))
clearInterval(watch)
const third = Math.floor(memory.length / 3)
const mean = (list) => list.reduce((a, b) => a + b, 0) / Math.max(1, list.length)
const early = mean(memory.slice(third, 2 * third)), late = mean(memory.slice(2 * third)), growth = late / early - 1
const began = Date.now()
child.kill('SIGTERM')
while (ended === null && Date.now() - began < 12000) await pause(50)
const stopped = (Date.now() - began) / 1000
console.log(JSON.stringify({ seconds: Number(seconds), ...counts, rss_mb: [Math.round(early), Math.round(late)], growth: Number(growth.toFixed(4)), exit: ended, stopped }))
const good = ended === 0 && stopped < 10 && counts.different === 0 && counts.wrong === 0 && counts.whole > 0 && growth < 0.05
console.log(good ? 'load_check: passed' : 'load_check: FAILED')
process.exit(good ? 0 : 1)
