// What the stories share: people's telephones, members of staff, files and codes.
import { execFileSync, spawnSync } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { accessible, assert, fits, newPage, setup, shot } from './lib.mjs'

const dir = mkdtempSync(path.join(tmpdir(), 'divoc-story-'))
const common = ['--data', setup.data, '--seal-key', setup.sealKey]

export const divoc = (...args) => execFileSync(setup.binary, args, { encoding: 'utf8' })

/** The n-th message that came to a telephone, once it is there. */
export async function sms(number, n) {
  const r = await fetch(`${setup.peer}/?to=${encodeURIComponent(number)}&n=${n}`)
  assert.equal(r.status, 200, `message ${n} to a telephone: ${await r.clone().text()}`)
  return r.text()
}

/** A page of the country, whose certificate for https is the test's own. */
export const open = (browser, options = {}) => newPage(browser, { ignoreHTTPSErrors: true, ...options })

/** Fits, is accessible, and is kept as a picture. */
export async function look(page, what) {
  await fits(page, what)
  await accessible(page, what)
  await shot(page, `story-${what}`)
}

/** Sends a form by one of its buttons. */
export const send = (page, selector) => Promise.all([page.waitForNavigation(), page.click(selector)])

const base32 = (text) => {
  const bits = [...text.replace(/[\s=]/g, '')].map((c) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(c).toString(2).padStart(5, '0')).join('')
  return Buffer.from(bits.match(/.{8}/g).map((b) => parseInt(b, 2)))
}

/** The code of an authenticator app now (RFC 6238). */
function totp(secret) {
  const step = Buffer.alloc(8)
  step.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000)))
  const mac = createHmac('sha1', base32(secret)).update(step).digest()
  const at = mac[19] & 15
  return String((mac.readUInt32BE(at) & 0x7fffffff) % 1e6).padStart(6, '0')
}

/** Somebody of staff follows their link, chooses a password and an app, and is in. */
export async function staff(browser, role, width) {
  const page = await open(browser, { width, height: 800 })
  await page.goto(setup.links[role])
  await look(page, `link-${role}`)
  const secret = await page.innerText('.totp__text')
  await page.fill('#password', 'seven purple lamps at noon')
  await page.fill('#repeat', 'seven purple lamps at noon')
  await page.fill('#code', totp(secret))
  await send(page, 'main form:has(#password) button[type=submit]')
  assert.ok(await page.locator('.codes li').count() >= 8, await page.innerText('main'))
  return page
}

/** The file that a click downloads, stored. */
export async function download(page, selector, name) {
  const [d] = await Promise.all([page.waitForEvent('download'), page.click(selector)])
  const file = path.join(dir, name)
  await d.saveAs(file)
  return file
}

export function keep(name, data) {
  const file = path.join(dir, name)
  writeFileSync(file, data)
  return file
}

/** What the command says of a file, with the country's published keys and states. */
export function verified(file) {
  const bundle = keep('trust.json', divoc('trust', 'export', ...common))
  const r = spawnSync(setup.binary, ['verify', '--trust', bundle, '--json', file], { encoding: 'utf8' })
  const verdict = /"verdict":\s*"([^"]+)"/.exec(r.stdout)?.[1]
  return `${verdict ?? r.stderr}, exit ${r.status}, lot ${/"lot":\s*"(\w+)"/.exec(r.stdout)?.[1]}, state ${/"(?:state|status)":\s*"(\w+)"/.exec(r.stdout)?.[1]}`
}

/** The code in a picture, read by a program that is not ours; '' without one. */
export const scanned = (file) => setup.zbarimg ? execFileSync('zbarimg', ['--quiet', '--raw', file], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim() : ''

/** The link of a message, which leads to this country. */
export function link(text) {
  const found = /https:\/\/\S+/.exec(text)?.[0]
  assert.ok(found?.startsWith(`${setup.base}/`), text)
  return found
}

export const digits = (text) => /\b(\d{6})\b/.exec(text)?.[1]
