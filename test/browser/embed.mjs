// The ten lines of docs/embed.md in a page of another site, under the content policy
// that they name: what is genuine is valid there, what was changed is refused, and
// nothing is sent. What is not for other sites stays closed to them.
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import path from 'node:path'
import { assert, newPage, setup, unproblematic, withBrowser } from './lib.mjs'

const doc = readFileSync(path.join(import.meta.dirname, '../../docs/embed.md'), 'utf8').replaceAll('https://certificates.example.org', setup.base)
const html = /```html\n(.*?)```/s.exec(doc)[1]
assert.equal(html.trim().split('\n').length, 10, 'docs/embed.md shows ten lines')
const script = /<script type="module">(.*)<\/script>/s.exec(html)[1]
const policy = /`(script-src [^`]*)`/.exec(doc)[1]
const inline = `'sha256-${createHash('sha256').update(script).digest('base64')}'`
assert.ok(html.includes(`${setup.base}/verify/embed/verify.mjs`) && policy.includes(`connect-src ${setup.base}`), `${html}\n${policy}`)

const other = createServer((_, answer) => {
  answer.setHeader('Content-Type', 'text/html; charset=utf-8')
  answer.setHeader('Content-Security-Policy', `default-src 'none'; ${policy.replace('script-src', `script-src ${inline}`)}`)
  answer.end(`<!doctype html><html lang="en"><title>Another site</title>${html}</html>`)
}).listen(0, '127.0.0.1')
await once(other, 'listening')
const site = `http://127.0.0.1:${other.address().port}/`

try {
  await withBrowser(async (browser) => {
    const page = await newPage(browser)
    await page.addInitScript(() => { // until it listens, nothing is verified
      const add = EventTarget.prototype.addEventListener
      EventTarget.prototype.addEventListener = function (type, ...more) {
        add.call(this, type, ...more)
        if (type === 'click') document.documentElement.dataset.listens = ''
      }
    })
    await page.goto(site)
    await page.waitForSelector('html[data-listens]', { timeout: 60_000 })
    const said = async (code) => {
      await page.fill('textarea', code)
      await page.evaluate(() => { document.querySelector('pre').textContent = '' })
      await page.click('button')
      await page.waitForFunction(() => document.querySelector('pre').textContent !== '')
      return page.innerText('pre')
    }
    const genuine = await said(setup.text)
    assert.match(genuine, /^valid/i)
    assert.ok(genuine.includes(setup.name), genuine)
    const forged = await said(setup.forged)
    assert.match(forged, /^not valid/i)
    assert.ok(!forged.includes(setup.name), forged)
    assert.equal(page.url(), site, 'the page was left')
    assert.deepEqual(page.requests.filter((r) => !r.startsWith('GET ')), [], 'something was sent')
    unproblematic(page, 'the lines of the documentation')

    // What is for other sites can be read by them, all else cannot: the browser
    // refuses it because the answer does not allow it.
    const read = (url, options = {}) => page.evaluate(async ([u, o]) => {
      try { return (await fetch(u, o)).status } catch (e) { return e.name }
    }, [setup.base + url, options])
    for (const url of ['/verify/embed/verify.mjs', '/verify/embed/verify.d.ts', '/verify/embed/wasm_exec.js', '/verify/embed/verifier.wasm', '/trust/bundle.json', '/verify/rules.json']) {
      assert.equal(await read(url), 200, url)
    }
    const json = { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ data: setup.forged }) }
    const plain = { method: 'POST', body: setup.forged } // no preflight asks before
    const closed = [
      ['/api/v1/verify', json], ['/api/v1/verify', plain], ['/api/v1/verify', { ...plain, credentials: 'include' }], ['/verify', plain],
      ['/verify'], ['/verify/embed'], ['/assets/verify.js'], ['/api/v1/certificates'], ['/my'], ['/desk'], ['/admin'], ['/'],
      ['/trust/bundle.json', { credentials: 'include' }], // never with who someone is
    ]
    for (const [url, options] of closed) {
      page.problems.length = 0
      assert.equal(await read(url, options), 'TypeError', `${url} answers another site`)
      assert.ok(page.problems.some((p) => p.includes(setup.base + url) && /blocked by CORS policy/.test(p)), `${url}: ${page.problems}`)
    }
    const here = await page.request.post(`${setup.base}/api/v1/verify`, { data: { data: setup.forged } })
    assert.equal(here.status(), 200, 'the same is answered to who is no page of another site')
  })
} finally { other.close() }
