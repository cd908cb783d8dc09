// A member of staff signs in at the country's identity provider with a role and a
// facility of its, works, and signs out here and there. Somebody who goes back, has
// no role, or comes too late is told what to do; who signs out there is out here.
import { accessible, assert, fits, newPage, setup, shot, unproblematic, withBrowser } from './lib.mjs'
import { forget, outThere, tell, there, until, yes } from './elsewhere.mjs'

const somebody = (sub, name, role, facility) => ({ account: { sub, name, realm_access: { roles: ['offline_access', role] }, facility_code: facility }, lie: '' })

await withBrowser(async (browser) => {
  for (const [width, height] of [[360, 640], [1280, 900]]) {
    const page = await newPage(browser, { width, height })
    const seen = async (name) => {
      await fits(page, `${name} ${width}`)
      await accessible(page, `${name} ${width}`)
      await shot(page, `provider-${width}-${name}`)
    }
    const main = () => page.innerText('main')
    const at = () => new URL(page.url()).pathname
    const away = async (to) => {
      await page.goto(`${setup.base}${to}?lang=en`)
      assert.equal(at(), '/sign-in')
      await page.focus('#provider')
      await page.keyboard.press('Enter')
    }

    // Who goes back did nothing wrong, and still goes where they meant to.
    await tell(somebody(`a${width}`, 'Ann Brown', 'desk', `COL-${width}`))
    await away('/desk')
    await there(page, 'back')
    assert.match(await page.innerText('[role=status]'), /came back without signing in at the ministry/)
    assert.equal(await page.locator('.govuk-error-summary').count(), 0)
    await seen('back')
    await page.click('#provider')
    await there(page, 'in')
    assert.equal(at(), '/desk')
    assert.match(await page.innerText('.site-staff'), new RegExp(`Ann Brown, Facility staff · COL-${width}`))
    await seen('desk')

    // They work: find, open, print.
    await page.fill('#text', setup.text)
    await page.keyboard.press('Enter')
    await page.waitForURL(/\/desk\/record\//)
    await page.click('main button:has-text("Print")')
    await page.waitForSelector('#file')
    assert.match(await main(), /Copy \d+, number 1/)
    const refused = await page.goto(`${setup.base}/admin/staff`)
    assert.equal(refused.status(), 403)
    assert.match(await main(), /ask a system administrator/)
    await seen('forbidden')

    // Signed in there, nobody is asked again.
    await page.context().clearCookies({ name: /staff$/ })
    await away('/desk')
    await page.waitForURL(`${setup.base}/desk**`)

    // Out here leads to out there, and back; then the provider asks who that is.
    await page.click('form[action="/sign-out"] button')
    await page.waitForURL(`${setup.issuer}/session/end**`)
    await yes(page)
    await page.waitForURL(`${setup.base}/sign-in**`)
    await seen('out')
    await page.goto(`${setup.base}/desk`)
    assert.equal(at(), '/sign-in')
    await page.click('#provider')
    await page.waitForSelector('h1:has-text("The provider")')

    // No role that counts here, and the way to another account.
    await tell(somebody(`b${width}`, 'Nobody', 'nurse'))
    await there(page, 'in')
    assert.match(await main(), /none of your roles there is one that works here. Ask who manages your account there/)
    assert.ok(!(await page.innerText('body')).includes('Nobody'))
    await seen('refused')
    await page.click('#another')
    await yes(page)
    await page.waitForURL(`${setup.base}/sign-in**`)

    // Too late, or in another browser: begin again, by the same button.
    await tell(somebody(`c${width}`, 'Carl Grant', 'boss'))
    await away('/admin')
    await page.waitForSelector('h1:has-text("The provider")')
    await forget(page, 'staff-away')
    await there(page, 'in')
    assert.match(await page.innerText('.govuk-error-summary'), /took too long. Begin again/)
    await page.click('.govuk-error-summary a')
    assert.equal(await page.evaluate(() => document.activeElement.id), 'provider')
    await seen('over')
    await outThere(page)

    // Who signs out at the provider is out here too, at once.
    await away('/admin/staff')
    await there(page, 'in')
    assert.equal(at(), '/admin/staff')
    assert.match(await main(), /Ann Brown[\s\S]*Carl Grant|Carl Grant[\s\S]*Ann Brown/)
    await outThere(page)
    await until(page, '/admin/staff', async () => at() === '/sign-in')

    // An answer that is not to be believed.
    await tell({ lie: 'nonce' })
    await away('/admin')
    await there(page, 'in')
    assert.equal(await page.innerText('h1'), 'Signing in did not work')
    assert.match(await main(), /Try again; if it stays so, tell your administrator/)
    await seen('failed')
    await outThere(page)

    unproblematic({ problems: page.problems.filter((p) => !/status of (403|410)/.test(p)) }, `staff at ${width}`)
    await page.context().close()
  }
})
