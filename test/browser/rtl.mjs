// Every area of the pages from right to left, in a language of the tests alone
// (build tag "pseudo"): longer texts that are read the other way. Nothing sticks
// out, and every page, field and picture begins at its own side.
import { assert, fits, newPage, openVerifier, setup, shot, unproblematic, verdict, withBrowser } from './lib.mjs'

const lang = 'ar-XB'
const person = setup.citizen

const wrong = [] // all of it, told at the end

/** Looks for what is wrong with a page that is written from right to left. */
async function mirrored(page, what) {
  await fits(page, what).catch((e) => wrong.push(e.message))
  const found = await page.evaluate(() => {
    const wrong = []
    const html = document.documentElement
    if (html.dir !== 'rtl' || html.lang !== 'ar-XB') wrong.push(`html is ${html.lang} ${html.dir}`)
    if (!/[\u202e]/.test(document.querySelector('main')?.innerText ?? '')) wrong.push('main is in another language')
    for (const e of document.querySelectorAll('main *')) {
      const s = getComputedStyle(e)
      if (s.direction !== 'rtl' && !e.closest('[dir],svg,bdi,code,pre')) wrong.push(`${e.tagName} ${e.className} reads ${s.direction}`)
      if (['left', 'right'].includes(s.textAlign) && !['left', 'right'].includes(e.parentElement && getComputedStyle(e.parentElement).textAlign)) wrong.push(`${e.tagName}.${e.className} stands ${s.textAlign}`)
    }
    // The first heading and what is typed begin at the right edge of what holds them.
    for (const e of document.querySelectorAll('h1, .govuk-label, .govuk-input, .govuk-button')) {
      const box = e.getBoundingClientRect()
      const around = e.parentElement.getBoundingClientRect()
      if (!box.width || e.closest('table, dl, .govuk-date-input, .govuk-radios, .govuk-checkboxes, ul, header, footer, nav, .links')) continue
      if (['flex', 'grid', 'inline-flex'].includes(getComputedStyle(e.parentElement).display)) continue
      const start = around.right - parseFloat(getComputedStyle(e.parentElement).paddingRight)
      const first = [...e.parentElement.children].find((c) => c.getBoundingClientRect().top === box.top)
      if (first === e && start - box.right > 24) wrong.push(`${e.tagName} ${e.className} begins ${Math.round(start - box.right)} px from its side`)
    }
    // The end of a number, "#:", would stand before it.
    const texts = document.createTreeWalker(document.querySelector('main') ?? document.body, NodeFilter.SHOW_TEXT)
    for (let t = texts.nextNode(); t; t = texts.nextNode()) {
      const e = t.parentElement
      if (/URN:UVCI:/.test(t.data) && e.offsetParent && !e.closest('bdi, [dir=ltr], code, pre, textarea')) wrong.push(`${e.tagName}.${e.className}: a number in a text that is read the other way`)
    }
    return [...new Set(wrong)].slice(0, 10)
  })
  wrong.push(...found.map((f) => `${what}: ${f}`))
  await shot(page, `rtl-${what.replaceAll(' ', '-')}`)
}

await withBrowser(async (browser) => {
  for (const [width, height] of [[360, 640], [1280, 900]].filter(([w]) => setup.citizens[w])) {
    const open = async () => {
      const page = await newPage(browser, { width, height })
      await page.goto(`${setup.base}/?lang=${lang}`)
      return page
    }
    const page = await open()
    const look = async (name, on = page) => mirrored(on, `${name} ${width}`)
    const visit = async (name, path, on = page) => { await on.goto(setup.base + path); await look(name, on) }
    const send = async (button, on = page) => { await Promise.all([on.waitForNavigation(), on.click(button)]) }

    await look('home')
    for (const [name, path] of [['number', '/my'], ['help', '/my/help'], ['follow', '/my/follow'], ['how', '/my/report'], ['left', '/my/left'], ['privacy', '/privacy'], ['get', '/get'], ['sign-in', '/sign-in'], ['recovery', '/sign-in/recovery'], ['missing', '/no-such-page']]) {
      await visit(name, path)
    }

    // A citizen, from the number to a report.
    const mine = setup.citizens[width]
    await page.goto(`${setup.base}/my`)
    await page.fill('#number', '12')
    await send('main button[type=submit]')
    await look('number-fault')
    await page.fill('#number', mine.number)
    await send('main button[type=submit]')
    await look('code')
    await page.fill('#code', await page.innerText('#specimen-code strong:last-child'))
    await send('main form >> nth=0 >> button')
    await look('list')
    await send('.holder__open >> nth=0')
    await look('question')
    await page.fill('#answer', mine.day)
    await page.fill('#answer-month', mine.month)
    await page.fill('#answer-year', mine.year)
    await send('main button[type=submit]')
    await look('certificate')
    const at = new URL(page.url()).pathname
    await visit('report', `${at}/report`)
    await send('main button[type=submit]')
    await look('report-fault')
    await visit('list-open', '/my/certificates')
    await visit('reports', '/my/reports')
    unproblematic({ problems: page.problems.filter((p) => !/40\d|422/.test(p)) }, 'a citizen')
    await page.context().close()

    // Verifying, on the page itself.
    const verifier = await open()
    await openVerifier(verifier, lang)
    await look('verify', verifier)
    for (const [name, text] of [['valid', setup.text], ['forged', setup.forged]]) {
      await verifier.evaluate(() => { document.querySelector('details').open = true })
      await verifier.fill('#text', text)
      await verifier.click('#submit')
      await verdict(verifier)
      await look(`result-${name}`, verifier)
      await verifier.click('#results > button')
    }
    await verifier.context().close()

    // The desk.
    const as = async (role, to) => {
      const p = await open()
      await p.goto(`${setup.base}/sign-in?to=${encodeURIComponent(to)}`)
      await send(`form[action="/sign-in/demo"]:has(input[value="${role}"]) button`, p)
      return p
    }
    const desk = await as('facility-staff', '/desk')
    await look('desk', desk)
    await desk.fill('#text', setup.text)
    await desk.keyboard.press('Enter')
    await desk.waitForURL(/\/desk\/record\//)
    await desk.evaluate(() => { for (const d of document.querySelectorAll('main details')) d.open = true })
    await look('desk-record', desk)
    const record = new URL(desk.url()).pathname
    await visit('desk-correction', `${record}/correction`, desk)
    await desk.goto(setup.base + record)
    await send('main form button[data-prevent-double-click] >> nth=0', desk)
    await look('desk-printed', desk)
    for (const [name, path] of [['prints', '/desk/prints'], ['dose', '/desk/dose'], ['later', '/desk/later'], ['slip', '/desk/slip'], ['account', '/account']]) await visit(`desk-${name}`, path, desk)
    await desk.context().close()

    // Administration: every page that its own pages lead to.
    const admin = await as('system-admin', '/admin')
    await look('admin', admin)
    const seen = new Set(['/admin'])
    const links = () => admin.$$eval('main a[href^="/admin"]', (all) => all.map((a) => new URL(a.href).pathname))
    const queue = await links()
    for (const more of ['certificates', 'cases', 'withdrawals', 'withdrawals/new', 'sources', 'holds', 'holds/report', 'uploads', 'places', 'places/new', 'programmes', 'layouts', 'keys', 'settings', 'staff', 'messages', 'audit']) queue.push(`/admin/${more}`)
    queue.push(`/admin/certificates/${setup.certificate}`)
    while (queue.length > 0 && seen.size < 60) {
      const path = queue.shift()
      // Of things that are alike one is enough.
      const kind = path.replace(/[0-9A-Z]{24}|\/[\w-]*\d[\w-]*/g, '/*')
      if (seen.has(kind) || path.endsWith('.csv')) continue
      seen.add(kind)
      const answer = await admin.goto(setup.base + path)
      assert.ok(answer.status() < 500, `${path}: ${answer.status()}`)
      if (answer.status() !== 200 || !/html/.test(answer.headers()['content-type'] ?? '')) continue
      await admin.evaluate(() => { for (const d of document.querySelectorAll('main details')) d.open = true })
      await look(`admin${kind.slice(6).replace(/[^\w]+/g, '-')}`, admin)
      queue.push(...await links())
    }
    console.log(`${width} px: ${seen.size} pages of administration`)
    await admin.context().close()
  }
  assert.deepEqual(wrong, [])
})
