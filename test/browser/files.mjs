// A picture, a PDF, a text: verified on the device, with nothing sent.
import { accessible, assert, lines, newPage, openVerifier, setup, shot, unproblematic, verdict, withBrowser } from './lib.mjs'

await withBrowser(async (browser) => {
  const page = await newPage(browser)
  await openVerifier(page)
  const again = () => page.click('#results > button')

  for (const file of [setup.png, setup.pdf]) {
    const began = Date.now()
    await page.setInputFiles('#file', file)
    const v = await verdict(page)
    console.log(`${file.slice(-3)}: ${Date.now() - began} ms`)
    assert.equal(v.kind, 'valid', `${file}: ${v.text}`)
    assert.equal(v.count, 1)
    assert.equal(v.focus, 'Valid certificate', 'the heading is not focused')
    assert.match(v.title, /^Valid certificate/)
    assert.match(v.text, /SPECIMEN/)
    assert.match(v.text, /identity document/)
    assert.match(v.text, /Status as of/)
    assert.ok(v.text.includes(setup.name), 'the name is not shown')
    await again()
    assert.equal(await page.evaluate(() => document.activeElement.id), 'camera-start')
  }

  const paste = async (text) => {
    await page.evaluate(() => { document.querySelector('details').open = true })
    await page.fill('#text', text)
    await page.click('#submit')
  }
  await paste(setup.forged)
  let v = await verdict(page)
  assert.equal(v.kind, 'not-valid', v.text)
  assert.ok(!v.text.includes(setup.name), 'a forged code shows a name')
  await shot(page, 'forged')
  await again()

  await paste('https://example.org/menu')
  v = await verdict(page)
  assert.equal(v.kind, 'not-valid')
  await again()

  await page.setInputFiles('#file', setup.empty)
  await page.waitForSelector('.govuk-error-summary')
  assert.match(await page.innerText('.govuk-error-summary'), /No QR code was found/)
  assert.equal(await page.evaluate(() => document.activeElement.id), 'faults')
  await accessible(page, 'a fault')
  await shot(page, 'no-code')

  await page.setInputFiles('#file', { name: 'odd.bin', mimeType: 'application/octet-stream', buffer: Buffer.from([0, 159, 146, 150]) })
  await page.waitForFunction(() => /could not be read/.test(document.querySelector('.govuk-error-summary')?.innerText))

  const sent = page.requests.filter((r) => !r.startsWith('GET '))
  assert.deepEqual(sent, [], 'something was sent')
  assert.deepEqual(page.requests.filter((r) => !r.includes(setup.base) && !r.includes(' blob:') && !r.includes(' data:')), [], 'another server was asked')
  unproblematic(page, 'files')

  // The server's page and the script's say the same.
  for (const lang of setup.languages) {
    const results = []
    for (const javaScriptEnabled of [true, false]) {
      const p = await newPage(browser, { javaScriptEnabled })
      if (javaScriptEnabled) await openVerifier(p, lang)
      else await p.goto(`${setup.base}/verify?lang=${lang}`)
      await p.locator('summary').first().click()
      await p.fill('#text', setup.text)
      await p.click('#submit')
      await verdictOf(p)
      results.push((await lines(p)).filter((l) => !/UTC$/.test(l)))
      await p.context().close()
    }
    assert.deepEqual(results[0], results[1], `${lang}: the device and the server differ`)
    assert.ok(results[0].length > 10)
  }
})

async function verdictOf(p) { await p.waitForSelector('.result') }
