// A citizen signs in at the country's identity provider, sees masked records, opens
// one, and leaves here and there; somebody who goes back, comes too late, or whose
// provider is not believed is told what to do; and who signs out there is out here.
import { accessible, assert, fits, newPage, setup, shot, unproblematic, withBrowser } from './lib.mjs'
import { forget, outThere, tell, there, until, yes } from './elsewhere.mjs'

const her = { sub: 'psut-1', individual_id: '198711200015', phone_number: '+94712345678', phone_number_verified: true }

await withBrowser(async (browser) => {
  for (const [width, height] of [[360, 640], [1280, 900]]) {
    const page = await newPage(browser, { width, height })
    const seen = async (name) => {
      await fits(page, `${name} ${width}`)
      await accessible(page, `${name} ${width}`)
      await shot(page, `identity-${width}-${name}`)
    }
    const away = async () => {
      await page.goto(`${setup.base}/my?lang=en`)
      await page.focus('#identity')
      await page.keyboard.press('Enter')
    }
    const main = () => page.innerText('main')
    const isOut = async () => await page.innerText('h1') === 'Get your certificates'

    // Who goes back did nothing wrong.
    await tell({ account: her, lie: '' })
    await page.goto(`${setup.base}/my?lang=en`)
    await seen('number')
    await away()
    await there(page, 'back')
    assert.match(await page.innerText('[role=status]'), /came back without signing in with eSignet.*try again/)
    assert.equal(await page.locator('.govuk-error-summary').count(), 0)
    await seen('back')

    // The provider vouches for a number and a document, and for no date of birth.
    await page.click('#identity')
    await there(page, 'in')
    assert.equal(new URL(page.url()).pathname, '/my/certificates')
    const masked = await main()
    assert.ok(masked.includes('N. P.') && masked.includes('K. P.') && !/Nimali|Kamal/.test(masked), masked)
    await seen('masked')
    const cookies = await page.context().cookies(setup.base)
    assert.ok(cookies.filter((c) => c.name.startsWith('my')).every((c) => c.httpOnly && c.sameSite === 'Lax'), JSON.stringify(cookies))
    assert.ok(!cookies.some((c) => c.name === 'my-away'), 'what was begun is kept')

    // Hers opens with her date of birth, and the PDF is there.
    await page.click('.holder:has-text("N. P.") .holder__open')
    assert.match(await main(), /You have 3 tries/)
    for (const [part, value] of [['', '1'], ['-month', '1'], ['-year', '1901']]) await page.fill(`#answer${part}`, value)
    await page.click('main button[type=submit]')
    assert.match(await main(), /You have 2 tries/)
    for (const [part, value] of [['', '21'], ['-month', '4'], ['-year', '1987']]) await page.fill(`#answer${part}`, value)
    await page.click('main button[type=submit]')
    await page.waitForSelector('h1:has-text("Vaccination certificate")')
    assert.match(await main(), /Nimali Perera/)
    const [download] = await Promise.all([page.waitForEvent('download'), page.click('text=Download PDF')])
    assert.match(download.suggestedFilename(), /\.pdf$/)

    // Out here, and by the page's own link there.
    await page.click('text=Finish and delete my session data')
    await page.waitForSelector('#identity-left')
    await seen('left')
    await page.click('#identity-left')
    await yes(page)
    await page.waitForURL(`${setup.base}/my/left**`)
    await page.goto(`${setup.base}/my/certificates`)
    assert.ok(await isOut(), await main())

    // With a date of birth that it vouches for, hers is open and the family's is not.
    await tell({ account: { ...her, birthdate: '1987-04-21' } })
    await away()
    await there(page, 'in')
    const list = await main()
    assert.ok(list.includes('Nimali Perera') && list.includes('K. P.') && !list.includes('Kamal'), list)
    await seen('list')

    // Who signs out at the provider is out here too, at once, and told so.
    await outThere(page)
    await until(page, '/my/certificates', isOut)
    assert.match(await page.innerText('.govuk-error-summary'), /You are signed out/)
    await seen('ended')

    // Too late, or in another browser: begin again, by the same button.
    await away()
    await page.waitForSelector('h1:has-text("The provider")')
    await forget(page, 'my-away')
    await there(page, 'in')
    assert.match(await page.innerText('.govuk-error-summary'), /took too long.*Begin again/)
    await page.click('.govuk-error-summary a')
    assert.equal(await page.evaluate(() => document.activeElement.id), 'identity')
    await seen('over')
    await page.keyboard.press('Enter')
    await page.waitForSelector('h1:has-text("The provider"), .holder')
    if (await page.locator('.holder').count() === 0) await there(page, 'in')
    assert.match(await main(), /Nimali Perera/)
    await page.click('text=Finish and delete my session data')

    // An answer that is not to be believed.
    await tell({ lie: 'nonce' })
    await away()
    await there(page, 'in')
    assert.match(await page.innerText('.govuk-error-summary'), /eSignet did not confirm who you are. Try again, or have a code sent/)
    await seen('failed')
    await page.goto(`${setup.base}/my/certificates`)
    assert.ok(await isOut(), await main())
    await outThere(page)

    const known = /status of (401|403|410|422)/
    unproblematic({ problems: page.problems.filter((p) => !known.test(p)) }, `a citizen at ${width}`)
    for (const r of page.requests) {
      for (const word of ['871120015', '712345678', 'Nimali', '1987', 'psut-1']) assert.ok(!decodeURIComponent(r).includes(word), `an address tells ${word}: ${r}`)
    }
    await page.context().close()
  }
})
