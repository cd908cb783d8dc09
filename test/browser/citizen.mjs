// A person fetches their certificate: a number, a code, a question, the PDF. On a
// telephone and a desk screen, without scripts, by keyboard, and on a slow network.
import { accessible, assert, fits, newPage, setup, shot, unproblematic, withBrowser } from './lib.mjs'

const person = setup.citizen // { number, day, month, year, name }

/** Types the number and the code that the demonstration shows. */
async function signIn(page, number = person.number) {
  await page.goto(`${setup.base}/my?lang=en`)
  await page.fill('#number', number)
  await page.click('main button[type=submit]')
  await page.waitForSelector('#code')
  assert.equal(new URL(page.url()).pathname, '/my/code')
  await page.fill('#code', await page.innerText('#specimen-code strong:last-child'))
  await page.click('main form >> nth=0 >> button')
  await page.waitForSelector('h1:has-text("Your certificates")')
}

/** Opens the first record that is not open yet. */
async function open(page) {
  await page.click('.holder__open >> nth=0')
  await page.fill('#answer', person.day)
  await page.fill('#answer-month', person.month)
  await page.fill('#answer-year', person.year)
  await page.click('main button[type=submit]')
  await page.waitForSelector('h1:has-text("Vaccination certificate")')
}

/** Nothing of the person stands in an address that was asked for. */
function quiet(page) {
  for (const r of page.requests) {
    for (const word of [person.number, person.number.slice(-7), person.name.split(' ')[0], 'code=']) {
      assert.ok(!decodeURIComponent(r).includes(word), `an address tells ${word}: ${r}`)
    }
  }
}

const pdf = async (page) => {
  const [download] = await Promise.all([page.waitForEvent('download'), page.click('text=Download PDF')])
  const stream = await download.createReadStream()
  const chunks = []
  for await (const c of stream) chunks.push(c)
  const data = Buffer.concat(chunks)
  assert.equal(data.subarray(0, 5).toString(), '%PDF-')
  return data
}

await withBrowser(async (browser) => {
  for (const [width, height] of [[360, 640], [1280, 900]]) {
    // Each width has a number of its own: two codes to one are a minute apart.
    person.number = setup.citizens[width].number
    Object.assign(person, setup.citizens[width])
    const page = await newPage(browser, { width, height })
    const seen = async (name) => {
      await fits(page, `${name} ${width}`)
      await accessible(page, `${name} ${width}`)
      await shot(page, `my-${width}-${name}`)
    }
    await page.goto(`${setup.base}/?lang=en`)
    await seen('home')
    for (const [link, title] of [['Get my certificate', 'Get your certificates'], ['Verify a certificate', 'Verify a certificate'], ['Report a mistake', 'Report a mistake']]) {
      await page.goto(setup.base)
      await page.click(`main >> text=${link}`)
      assert.equal(await page.innerText('h1'), title)
    }
    await page.goto(`${setup.base}/my`)
    await seen('number')
    await page.fill('#number', '12')
    await page.click('main button[type=submit]')
    assert.match(await page.innerText('.govuk-error-summary'), /no mobile number of this country/)
    assert.match(await page.title(), /Error:/)
    await seen('number-fault')
    await page.goto(`${setup.base}/my/help`)
    await seen('help')
    await page.goto(`${setup.base}/my/follow`)
    await seen('follow')

    await page.goto(`${setup.base}/my`)
    await page.fill('#number', person.number)
    await page.click('main button[type=submit]')
    await page.waitForSelector('#code')
    await seen('code')
    const code = await page.innerText('#specimen-code strong:last-child')
    await page.fill('#code', code === '000000' ? '000001' : '000000')
    await page.click('main form >> nth=0 >> button')
    assert.match(await page.innerText('.govuk-error-summary'), /4 more tries/)
    await page.fill('#code', `${code.slice(0, 3)} ${code.slice(3)}`)
    await page.click('main form >> nth=0 >> button')
    await page.waitForSelector('h1:has-text("Your certificates")')
    const masked = await page.innerText('main')
    assert.ok(!masked.includes(person.name) && masked.includes(`${person.name[0]}.`), masked)
    await seen('list')
    const cookies = await page.context().cookies()
    assert.ok(cookies.filter((c) => /my/.test(c.name)).every((c) => c.httpOnly && c.sameSite === 'Lax' && c.expires === -1), JSON.stringify(cookies))

    await page.click('.holder__open >> nth=0')
    await seen('question')
    await page.fill('#answer', '1')
    await page.fill('#answer-month', '1')
    await page.fill('#answer-year', '1901')
    await page.click('main button[type=submit]')
    assert.match(await page.innerText('.govuk-error-summary'), /not what the record says/)
    await page.goto(`${setup.base}/my/certificates`)
    await open(page)
    assert.match(await page.innerText('main'), new RegExp(person.name.replaceAll('’', '.')))
    await seen('certificate')
    assert.ok((await pdf(page)).length > 5000)
    const image = await page.$eval('.qr', (i) => i.naturalWidth)
    assert.ok(image > 100, `the code is ${image} px wide`)
    const print = await page.getAttribute('a:has-text("Page to print")', 'href')
    assert.equal((await page.request.get(setup.base + print)).status(), 200)
    for (const href of await page.$$eval('a[href*="/exports/"]', (all) => all.map((a) => a.getAttribute('href')))) {
      const r = await page.request.get(setup.base + href)
      assert.equal(r.status(), 200, href)
      assert.equal(r.headers()['cache-control'], 'no-store', href)
    }

    // A mistake is reported with a photograph, followed, and withdrawn.
    await page.click('text=Report a mistake')
    await seen('report')
    await page.click('main button[type=submit]')
    assert.match(await page.innerText('.govuk-error-summary'), /Choose what is wrong/)
    await page.check('#field-5')
    await page.fill('#value', 'PF9999')
    await page.setInputFiles('#evidence', setup.png)
    await page.click('main form >> nth=0 >> button')
    await page.waitForSelector('.govuk-notification-banner--success')
    assert.match(await page.innerText('main'), /Your ticket number is [0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}/)
    await seen('reports')
    await page.click('text=Withdraw')
    await page.waitForSelector('text=Withdrawn')

    await page.goto(`${setup.base}/my/certificates`)
    await page.click('text=Finish and delete my session data')
    await page.waitForSelector('h1:has-text("You are signed out")')
    await seen('left')
    await page.goBack()
    await page.goto(`${setup.base}/my/certificates`)
    assert.equal(await page.innerText('h1'), 'Get your certificates')
    unproblematic({ problems: page.problems.filter((p) => !/422/.test(p)) }, `the pages of citizens at ${width}`)
    quiet(page)
    await page.context().close()
  }

  // Without scripts.
  Object.assign(person, setup.citizens.noscript)
  const plain = await newPage(browser, { javaScriptEnabled: false, width: 320 })
  await signIn(plain)
  await fits(plain, 'list without scripts')
  await open(plain)
  await fits(plain, 'certificate without scripts')
  await pdf(plain)
  await plain.click('text=Finish and delete')
  assert.equal(await plain.innerText('h1'), 'You are signed out')
  await plain.context().close()

  // By keyboard alone.
  Object.assign(person, setup.citizens.keyboard)
  const keys = await newPage(browser)
  await keys.goto(`${setup.base}/my?lang=en`)
  const to = async (selector) => {
    for (let i = 0; i < 40; i++) {
      await keys.keyboard.press('Tab')
      if (await keys.evaluate((s) => document.activeElement?.matches(s), selector)) return
    }
    assert.fail(`the keyboard does not reach ${selector}`)
  }
  await to('#number')
  await keys.keyboard.type(person.number)
  await keys.keyboard.press('Enter')
  await keys.waitForSelector('#code')
  const shown = await keys.innerText('#specimen-code strong:last-child')
  await to('#code')
  await keys.keyboard.type(shown)
  await keys.keyboard.press('Enter')
  await keys.waitForSelector('.holder')
  await to('.holder__open')
  await keys.keyboard.press('Enter')
  await keys.waitForSelector('#answer')
  for (const [field, value] of [['#answer', person.day], ['#answer-month', person.month], ['#answer-year', person.year]]) {
    await to(field)
    await keys.keyboard.type(value)
  }
  await keys.keyboard.press('Enter')
  await keys.waitForSelector('h1:has-text("Vaccination certificate")')
  await to('form[action$="/pdf"] button')
  await Promise.all([keys.waitForEvent('download'), keys.keyboard.press('Enter')])
  await keys.context().close()

  // A slow telephone: 3G as field tests have it, a quarter of the processor.
  Object.assign(person, setup.citizens.slow)
  const slow = await newPage(browser)
  const session = await slow.context().newCDPSession(slow)
  await session.send('Network.enable')
  await session.send('Network.emulateNetworkConditions', { offline: false, latency: 400, downloadThroughput: 400 * 1024 / 8, uploadThroughput: 128 * 1024 / 8 })
  await session.send('Emulation.setCPUThrottlingRate', { rate: 4 })
  let bytes = 0
  session.on('Network.loadingFinished', (e) => { bytes += e.encodedDataLength })
  const began = Date.now()
  await slow.goto(`${setup.base}/my?lang=en`, { waitUntil: 'networkidle' })
  console.log(`first view of the citizens' page: ${bytes} bytes`)
  assert.ok(bytes > 5_000 && bytes < 100_000, `${bytes} bytes`)
  await signIn(slow)
  await open(slow)
  await pdf(slow)
  const took = (Date.now() - began) / 1000
  console.log(`from the first page to the PDF on a slow telephone: ${took.toFixed(1)} s`)
  assert.ok(took < 120, `${took} s`)
  await slow.context().close()
})
