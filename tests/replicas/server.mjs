// A real server, Redis or Valkey, in a folder of its own, and what can happen to it.

import { execFileSync, spawn } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { made, until } from './support.mjs'

const COMMANDS = {
  redis: { server: 'redis-server', cli: 'redis-cli' },
  valkey: { server: `${process.env.VALKEY}/valkey-server`, cli: `${process.env.VALKEY}/valkey-cli` },
}

/** The user that the guide describes, with its commands. */
const guide = readFileSync(new URL('../../crates/redis/src/guide.md', import.meta.url), 'utf8')
const [, rules] = /ACL SETUSER leads-api (on >PASSWORD [^`]*)```/.exec(guide)
export const aclUser = (password) => rules.replace('>PASSWORD', `>${password}`).split(/\s+/).filter(Boolean)

/** A port that is free now. */
export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.on('listening', resolve))
  const { port } = server.address()
  await new Promise((resolve) => server.close(resolve))
  return port
}

export class Server {
  #child
  #tls

  /** `acl`: the user leads-api with this password, and no other. */
  static async create(kind, name, { acl, tls } = {}) {
    const server = new Server()
    Object.assign(server, { kind, acl, tls, folder: `${made}/${kind}-${name}`, port: await freePort() })
    rmSync(server.folder, { recursive: true, force: true })
    mkdirSync(server.folder, { recursive: true })
    if (tls) server.tlsPort = await freePort()
    return server
  }

  get url() {
    const user = this.acl ? 'leads-api@' : ''
    return this.tls ? `rediss://${user}localhost:${this.tlsPort}` : `redis://${user}127.0.0.1:${this.port}`
  }

  /** Starts the process; its data is what is in the folder. */
  async start() {
    const lines = [
      `port ${this.port}`,
      'bind 127.0.0.1',
      `dir ${this.folder}`,
      'save ""',
      'daemonize no',
      'maxmemory-policy noeviction',
      `logfile ${this.folder}/log`,
      // The tests administer it by another user.
      ...(this.acl ? [`user leads-api ${aclUser(this.acl).join(' ')}`, 'user default on >admin ~* &* +@all'] : []),
    ]
    const ownTls = this.tls && this.kind === 'redis'
    if (ownTls) {
      const { authority, certificate, key } = this.tls
      lines.push(`tls-port ${this.tlsPort}`, `tls-ca-cert-file ${authority}`)
      lines.push(`tls-cert-file ${certificate}`, `tls-key-file ${key}`, 'tls-auth-clients yes')
    }
    writeFileSync(`${this.folder}/conf`, lines.join('\n'))
    this.#child = spawn(COMMANDS[this.kind].server, [`${this.folder}/conf`], { stdio: 'ignore' })
    const child = this.#child
    process.on('exit', () => child.kill('SIGKILL'))
    if (this.tls && !ownTls && !this.#tls) this.#tls = this.#terminateTls()
    await until('the server answers', () => this.#answers())
  }

  #answers() {
    try {
      return this.cli('PING') === 'PONG'
    } catch {
      return false
    }
  }

  /** PyPI's build of Valkey has no TLS: this is in front of it, with the same demands. */
  #terminateTls() {
    const { authority, certificate, key } = this.tls
    const [ca, cert, keyText] = [authority, certificate, key].map((file) => readFileSync(file))
    const server = createTlsServer({ ca, cert, key: keyText, requestCert: true, rejectUnauthorized: true }, (client) => {
      const inner = connect(this.port, '127.0.0.1')
      for (const [one, other] of [[client, inner], [inner, client]]) {
        one.on('error', () => other.destroy())
        one.on('close', () => other.destroy())
      }
      client.pipe(inner).pipe(client)
    })
    return server.on('tlsClientError', () => {}).listen(this.tlsPort, '127.0.0.1').unref()
  }

  cli(...words) {
    const admin = this.acl ? ['--user', 'default', '--pass', 'admin', '--no-auth-warning'] : []
    const stdio = ['ignore', 'pipe', 'ignore']
    return execFileSync(COMMANDS[this.kind].cli, ['-p', this.port, ...admin, ...words], { encoding: 'utf8', stdio }).trim()
  }

  /** A snapshot of its data as it is now. */
  save() {
    this.cli('SAVE')
    copyFileSync(`${this.folder}/dump.rdb`, `${this.folder}/kept.rdb`)
  }

  async kill() {
    const ended = new Promise((resolve) => this.#child.on('exit', resolve))
    this.#child.kill('SIGKILL')
    await ended
  }

  /** What it finds when it starts: nothing, or the snapshot that was kept. */
  data(which) {
    rmSync(`${this.folder}/dump.rdb`, { force: true })
    if (which === 'kept') {
      if (!existsSync(`${this.folder}/kept.rdb`)) throw new Error('nothing was kept')
      copyFileSync(`${this.folder}/kept.rdb`, `${this.folder}/dump.rdb`)
    }
  }

  stop() {
    this.#child.kill('SIGSTOP')
  }

  go() {
    this.#child.kill('SIGCONT')
  }

  end() {
    this.#child.kill('SIGKILL')
    this.#tls?.close()
  }

  number(section, name) {
    return Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(this.cli('INFO', section))[1])
  }
}

/** An authority, and certificates of it for the server and for a client. */
export function certificates() {
  const folder = `${made}/tls`
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  const file = (name) => `${folder}/${name}`
  const openssl = (...words) => execFileSync('openssl', words, { stdio: 'ignore' })
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  openssl('req', '-x509', ...newKey, '-keyout', file('ca.key'), '-out', file('ca.pem'), '-subj', '/CN=authority', '-days', '1')
  for (const name of ['server', 'client']) {
    openssl('req', ...newKey, '-keyout', file(`${name}.key`), '-out', file(`${name}.csr`), '-subj', `/CN=${name}`)
    writeFileSync(file('extensions'), 'subjectAltName=DNS:localhost')
    const signing = ['x509', '-req', '-in', file(`${name}.csr`), '-CA', file('ca.pem'), '-CAkey', file('ca.key')]
    openssl(...signing, '-CAcreateserial', '-days', '1', '-extfile', file('extensions'), '-out', file(`${name}.pem`))
  }
  const [authority, certificate, key] = [file('ca.pem'), file('server.pem'), file('server.key')]
  return { authority, certificate, key, client: { certificate: file('client.pem'), key: file('client.key') } }
}
