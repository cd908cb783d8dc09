// What the scripts share: a browser, the rules of accessibility, and waiting.
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { chromium } from 'playwright-core'

export { assert }
export const setup = JSON.parse(process.argv[2])
const axeSource = readFileSync(path.join(import.meta.dirname, 'node_modules/axe-core/axe.min.js'), 'utf8')

const root = process.getuid?.() === 0

/** Runs test with a browser, and fails on anything a page complains about. */
export async function withBrowser(test, args = []) {
  const browser = await chromium.launch({ executablePath: setup.chromium, args: [...(root ? ['--no-sandbox'] : []), ...args] })
  try {
    await test(browser)
  } catch (e) {
    for (const page of browser.contexts().flatMap((c) => c.pages())) {
      console.error(`at the end ${page.url()} showed: ${await page.innerText('main', { timeout: 1000 }).catch((x) => x.message)}`)
    }
    throw e
  } finally { await browser.close() }
}

/** A page that fails the test on script errors and on what the policy blocks. */
export async function newPage(browser, options = {}) {
  const { width = 360, height = 640, ...rest } = options
  const context = await browser.newContext({ viewport: { width, height }, locale: 'en', ...rest })
  const page = await context.newPage()
  page.problems = []
  page.requests = []
  page.on('pageerror', (e) => page.problems.push(`error: ${e.message}`))
  // A service worker is not registered behind the certificate of a test.
  page.on('console', (m) => {
    if (m.type() === 'error' && !/ERR_INTERNET_DISCONNECTED|ERR_CONNECTION_REFUSED|An SSL certificate error occurred when fetching the script/.test(m.text())) page.problems.push(`console: ${m.text()}`)
  })
  page.on('request', (r) => page.requests.push(`${r.method()} ${r.url()}`))
  return page
}

/** Opens /verify and waits until it verifies by itself. */
export async function openVerifier(page, lang = 'en') {
  await page.goto(`${setup.base}/verify?lang=${lang}`)
  await page.waitForSelector('html[data-verifier]', { timeout: 60_000 })
  assert.equal(await page.getAttribute('html', 'data-verifier'), 'local', 'the page does not verify by itself')
}

/** The verdict shown, once it is there, with everything the page says of it. */
export async function verdict(page) {
  await page.waitForSelector('.result', { timeout: 60_000 })
  return page.evaluate(() => ({
    kind: [...document.querySelector('.result').classList].find((c) => c.startsWith('result--')).slice(8),
    count: document.querySelectorAll('.result').length,
    text: document.querySelector('main').innerText,
    focus: document.activeElement?.textContent,
    title: document.title,
  }))
}

/** The lines of a result as label: value. */
export const lines = (page) => page.$$eval('.result .govuk-summary-list__row', (rows) => rows.map((r) => `${r.children[0].textContent}: ${r.children[1].textContent}`))

export async function accessible(page, what) {
  await page.evaluate(axeSource)
  const found = await page.evaluate(() => globalThis.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }))
  assert.deepEqual(found.violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html).join(' | ')}`), [], `${what}: accessibility`)
}

/** Nothing sticks out sideways. */
export async function fits(page, what) {
  const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
  assert.ok(over <= 0, `${what}: ${over} px too wide`)
}

export async function shot(page, name) {
  if (!setup.out) return
  mkdirSync(setup.out, { recursive: true })
  await page.screenshot({ path: path.join(setup.out, `${name}.png`), fullPage: true })
}

export function unproblematic(page, what) { assert.deepEqual(page.problems, [], what) }

export const median = (of) => of.sort((a, b) => a - b)[Math.floor(of.length / 2)]
