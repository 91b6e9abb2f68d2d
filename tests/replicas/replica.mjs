// A replica as a process, and a watch over what replicas answer.

import { spawn } from 'node:child_process'
import { createHmac, randomBytes, randomUUID } from 'node:crypto'
import { createInterface } from 'node:readline'
import { Agent, request } from 'node:http'
import { until } from './support.mjs'

const secret = randomBytes(32).toString('hex')
export const ISSUER = 'https://as.example.com'

/** A good token; it can be revoked by its `id`. */
export function token() {
  const [id, subject, now] = [randomUUID(), `user-${randomUUID()}`, Math.floor(Date.now() / 1000)]
  const claims = { iss: ISSUER, aud: 'https://api.example.com', sub: subject, jti: id, iat: now, exp: now + 3600 }
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const signed = `${part({ alg: 'HS256', typ: 'at+jwt' })}.${part(claims)}`
  return { id, subject, text: `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}` }
}

export class Replica {
  #child
  #agent = new Agent({ keepAlive: true, maxSockets: 4 })

  /** Started, and perhaps not ready. */
  static async start(server, settings = {}) {
    const replica = new Replica()
    const environment = { REDIS_URL: server.url, TOKEN_SECRET: secret, ...settings }
    const child = spawn(`${process.env.EXAMPLES}/replica`, { env: environment, stdio: ['pipe', 'pipe', 'inherit'] })
    process.on('exit', () => child.kill('SIGKILL'))
    const [line] = await Promise.race([
      new Promise((resolve) => createInterface(child.stdout).once('line', (line) => resolve([line]))),
      new Promise((_, reject) => child.once('exit', (code) => reject(new Error(`the replica ended with ${code}`)))),
    ])
    const [host, port] = line.split(':')
    Object.assign(replica, { host, port: Number(port) })
    replica.#child = child
    return replica
  }

  /** Status, header fields and body. */
  ask(path, { method = 'GET', token, body } = {}) {
    const headers = { ...(token && { authorization: `Bearer ${token.text}` }), ...(body && { 'content-type': 'application/json' }) }
    const { host, port } = this
    return new Promise((resolve, reject) => {
      const sent = request({ host, port, path, method, headers, agent: this.#agent }, (answer) => {
        let text = ''
        answer.on('data', (chunk) => (text += chunk))
        answer.on('end', () => resolve({ status: answer.statusCode, headers: answer.headers, text }))
      })
      sent.on('error', reject).end(body && JSON.stringify(body))
    })
  }

  async answer(token) {
    return (await this.ask('/leads', { token })).status
  }

  async accepts(token) {
    return (await this.answer(token)) === 200
  }

  async refuses(token) {
    return (await this.answer(token)) === 401
  }

  async revoke(token) {
    const entry = { kind: 'token_id', issuer: ISSUER, name: token.id }
    const { status, text } = await this.ask('/revoke', { method: 'POST', body: entry })
    if (status !== 200) throw new Error(`${status} ${text}`)
  }

  async status() {
    return JSON.parse((await this.ask('/status')).text)
  }

  async isReady() {
    return (await this.status()).revocation.state === 'current'
  }

  stop() {
    this.#child.kill('SIGSTOP')
  }

  go() {
    this.#child.kill('SIGCONT')
  }

  kill() {
    this.#agent.destroy()
    this.#child.kill('SIGKILL')
  }
}

/** Asks all replicas all the time; `violations` is what must not have happened. */
export class Watch {
  #running = true
  #done
  violations = []
  asked = 0

  /** `mayRefuse`: whether a good token may get 503 at the moment. */
  constructor(replicas, good, revoked, mayRefuse = () => false) {
    const once = async (replica, name) => {
      for (const token of revoked) {
        const status = await replica.answer(token)
        if (status === 200) this.violations.push(`${name} accepted a revoked token`)
      }
      const status = await replica.answer(good)
      if (status !== 200 && !(status === 503 && mayRefuse(name))) this.violations.push(`${name}: ${status} for a good token`)
      this.asked += 1 + revoked.length
    }
    const watch = async ([name, replica]) => {
      while (this.#running) {
        await once(replica, name).catch((error) => this.violations.push(`${name}: ${error}`))
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
    }
    this.#done = Promise.all(Object.entries(replicas).map(watch))
  }

  /** Ends it, and fails if there was a violation. */
  async end() {
    this.#running = false
    await this.#done
    if (this.violations.length > 0) throw new Error(`${this.violations.length}: ${[...new Set(this.violations)].join(', ')}`)
    return this.asked
  }
}

export const allOf = (replicas, test) => Promise.all(replicas.map(test)).then((results) => results.every(Boolean))
export const allReady = (replicas) => until('all replicas are ready', () => allOf(replicas, (replica) => replica.isReady()))
