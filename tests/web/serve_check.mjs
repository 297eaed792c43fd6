// Starts `ken serve` and speaks to it as people do: OpenAI's own client, requests as lm-evaluation-harness sends them, and
// a browserless abort in mid-stream. Usage: node serve_check.mjs KEN [MODEL]
import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import assert from 'node:assert/strict'

const require = createRequire(new URL('../../web/package.json', import.meta.url))
const { OpenAI } = require('openai')
const [ken, model = 'almanac-tiny'] = process.argv.slice(2)

// The program, once it says where it listens.
async function serve(...flags) {
  const child = spawn(ken, ['serve', model, '--port', '0', '--json', ...flags], { stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  child.stderr.on('data', (data) => (said += data))
  const line = await new Promise((resolve, reject) => {
    let text = ''
    child.stdout.on('data', (data) => {
      text += data
      if (text.includes('\n')) resolve(text)
    })
    child.on('exit', (code) => reject(new Error(`ken serve ended with ${code}: ${said}`)))
  })
  const stop = () =>
    new Promise((resolve) => {
      const began = Date.now()
      child.removeAllListeners('exit')
      child.on('exit', (code) => resolve({ code, seconds: (Date.now() - began) / 1000 }))
      child.kill('SIGTERM')
    })
  return { ...JSON.parse(line), stop, pid: child.pid }
}

const checks = []
const check = (name, run) => checks.push([name, run])
const question = [{ role: 'user', content: 'where was Ada Lovelace born ?' }]

check('the client lists the model', async ({ client, name }) => {
  const list = await client.models.list()
  assert.equal(list.data[0].id, name)
})

check('a streamed chat joins to the whole answer', async ({ client, name }) => {
  const whole = await client.chat.completions.create({ model: name, messages: question, temperature: 0 })
  const stream = await client.chat.completions.create({
    model: name, messages: question, temperature: 0, stream: true, stream_options: { include_usage: true },
  })
  let text = '', usage = null, finish = null
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta?.content ?? ''
    finish = chunk.choices[0]?.finish_reason ?? finish
    usage = chunk.usage ?? usage
  }
  assert.equal(text, whole.choices[0].message.content)
  assert.equal(finish, whole.choices[0].finish_reason)
  assert.equal(usage.total_tokens, whole.usage.total_tokens)
  assert.ok(usage.prompt_tokens_details.cached_tokens > 0) // the whole answer came before
})

check('logprobs, five answers, a seed', async ({ client, name }) => {
  const ask = () => client.chat.completions.create({
    model: name, messages: question, temperature: 1, seed: 7, n: 5, logprobs: true, top_logprobs: 3,
  })
  const first = await ask(), again = await ask()
  assert.equal(first.choices.length, 5)
  assert.deepEqual(first.choices, again.choices)
  for (const { logprobs } of first.choices)
    for (const token of logprobs.content) {
      assert.ok(token.logprob <= 0)
      assert.equal(token.top_logprobs.length, 3)
    }
})

check('an abort in mid-stream ends the request', async ({ client, name, url }) => {
  const stream = await client.completions.create({ model: name, prompt: 'the', temperature: 1, max_tokens: 60, stream: true })
  for await (const chunk of stream) {
    assert.ok(chunk.choices)
    stream.controller.abort()
    break
  }
  for (let i = 0; i < 50; i++) {
    const metrics = await (await fetch(`${url}/metrics`)).text()
    if (/ken_requests_in_flight 0\n/.test(metrics)) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  assert.fail('the request is still under way')
})

check('embeddings', async ({ client, name }) => {
  const { data } = await client.embeddings.create({ model: name, input: ['Ada Lovelace', 'Turin'] })
  const norm = data[0].embedding.reduce((sum, x) => sum + x * x, 0)
  assert.ok(Math.abs(norm - 1) < 1e-3)
})

check('a passage, its source and a confidence', async ({ client, name }) => {
  const reply = await client.chat.completions.create({
    model: name, messages: question,
    ken: { context: ['the birthplace of Ada Lovelace is Turin .'], source: true, confidence: ['margin'] },
  })
  assert.ok(['context', 'memory', 'both', 'neither'].includes(reply.ken.source.name))
  assert.equal(typeof reply.ken.confidence.margin.score, 'number')
})

check('a control by its route', async ({ url }) => {
  const body = { messages: question, temperature: 0, ken: { context: ['the birthplace of Ada Lovelace is Turin .'] }, params: { alpha: 1 } }
  const reply = await fetch(`${url}/ken/steer/cad`, { method: 'POST', body: JSON.stringify(body) })
  assert.equal(reply.status, 200)
  const json = await reply.json()
  assert.equal(json.ken.steered[0].name, 'cad')
})

check('errors are those of the client', async ({ client, name }) => {
  await assert.rejects(client.completions.create({ model: 'gpt-4', prompt: 'a' }), (e) => e.status === 400 && e.param === 'model')
  await assert.rejects(client.completions.create({ model: name, prompt: 'a', n: 0 }), (e) => e.status === 400 && e.param === 'n')
  await assert.rejects(client.chat.completions.create({ model: name, messages: [] }), (e) => e.status === 400)
})

// As lm-evaluation-harness's local-completions does it: ids, echo, one token more; sums the continuation's logprobs.
check("lm-evaluation-harness's loglikelihood", async ({ url, name }) => {
  const post = async (path, body) => (await fetch(url + path, { method: 'POST', body: JSON.stringify(body) })).json()
  const encode = async (text, special) => (await post('/tokenize', { prompt: text, add_special_tokens: special })).tokens
  const context = await encode('where was Ada Lovelace born ?', true)
  const options = [' in Turin', ' in London .', ' yes']
  const prompts = []
  for (const option of options) prompts.push([...context, ...(await encode(option, false))])
  const body = { prompt: prompts, model: name, max_tokens: 1, logprobs: 1, seed: 1234, echo: true, temperature: 0 }
  const reply = await post('/v1/completions', body)
  reply.choices.forEach((choice, i) => {
    const { token_logprobs, top_logprobs, tokens } = choice.logprobs
    assert.equal(tokens.length, prompts[i].length + 1)
    assert.equal(token_logprobs[0], null)
    const sum = token_logprobs.slice(context.length, -1).reduce((a, b) => a + b, 0)
    assert.ok(Number.isFinite(sum) && sum < 0)
    assert.equal(top_logprobs.length, tokens.length)
  })
})

const server = await serve()
const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none', maxRetries: 0 })
let failed = 0
for (const [name, run] of checks) {
  try {
    await run({ client, url: server.url, name: server.model })
    console.log(`ok    ${name}`)
  } catch (error) {
    failed += 1
    console.log(`FAIL  ${name}\n      ${error.stack ?? error}`)
  }
}
const { code, seconds } = await server.stop()
if (code !== 0 || seconds > 10) {
  failed += 1
  console.log(`FAIL  SIGTERM: exit ${code} after ${seconds} s`)
} else {
  console.log(`ok    SIGTERM: exit 0 after ${seconds} s`)
}
console.log(`serve_check: ${checks.length + 1} checks, ${failed} failed`)
process.exit(failed ? 1 : 0)
