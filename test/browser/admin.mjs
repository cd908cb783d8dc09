// The administrators' portal: what happened today, one certificate from search to
// revocation with what changes seen first, a withdrawal of many that needs somebody
// else, facilities, keys; every page fits and is accessible, in every language.
import { accessible, assert, fits, newPage, setup, shot, unproblematic, withBrowser } from './lib.mjs'

await withBrowser(async (browser) => {
  for (const width of [1280, 360]) {
    const as = async (role) => {
      const page = await newPage(browser, { width, height: 800 })
      await page.goto(`${setup.base}/admin?lang=en`)
      assert.match(page.url(), /\/sign-in/)
      await page.goto(`${setup.base}/sign-in?to=%2Fadmin&lang=en`)
      await Promise.all([page.waitForNavigation(), page.click(`form[action="/sign-in/demo"]:has(input[value="${role}"]) button`)])
      assert.equal(new URL(page.url()).pathname, '/admin')
      return page
    }
    const page = await as('system-admin')
    const look = async (what, on = page) => {
      await accessible(on, `${what} ${width}`)
      await fits(on, `${what} ${width}`)
      await shot(on, `admin-${what}-${width}`)
    }
    const send = async (button, on = page) => { await Promise.all([on.waitForNavigation(), on.click(`main form button:has-text("${button}")`)]) }
    const says = async (text, on = page) => { assert.match(await on.innerText('main'), text) }

    await says(/Issued\s+[1-9]/)
    await look('today')
    const csv = await page.request.get(`${setup.base}/admin?format=csv&of=hours`)
    assert.match(csv.headers()['content-type'], /text\/csv/)

    // One certificate: found by a number that is posted, corrected, revoked.
    await page.goto(`${setup.base}/admin/certificates`)
    await look('search')
    await page.goto(`${setup.base}/desk`)
    await page.goto(`${setup.base}/admin/certificates`)
    const born = await page.request.get(`${setup.base}/`)
    const id = /\/demo\/certificates\/([0-9A-Z]{24})/.exec(await born.text())[1]
    await page.fill('#certificate', id)
    await send('Search')
    assert.equal(new URL(page.url()).pathname, `/admin/certificates/${id}`)
    await look('certificate')
    await page.click('a:has-text("Correct")')
    await look('correct')
    await page.fill('#lot', `NEW${width}`)
    await send('Preview')
    await says(/What changes[\s\S]*NEW/)
    await look('preview')
    await send('Issue the corrected certificate')
    await says(/Say why/)
    await page.fill('#reason', 'a slip of the pen')
    await send('Issue the corrected certificate')
    await says(/corrected certificate is issued[\s\S]*a slip|corrected certificate is issued/)
    await look('corrected')
    const now = new URL(page.url()).pathname.split('/').pop()
    assert.notEqual(now, id)

    // Many: asked for by one, approved by another.
    await page.goto(`${setup.base}/admin/withdrawals/new`)
    await look('withdrawal-new')
    await page.selectOption('#act', 'suspend')
    await page.fill('#reason', 'a recalled batch')
    await page.fill('#ids', now)
    await send('Find the certificates')
    const at = page.url()
    for (let i = 0; i < 50 && !/Waits for approval/.test(await page.innerText('main')); i++) {
      await page.waitForTimeout(200)
      await page.goto(at)
    }
    await says(/Somebody else has to approve it/)
    await look('withdrawal')
    const other = await as('programme-admin')
    await other.goto(at)
    await look('withdrawal-approve', other)
    await send('Approve and do it', other)
    for (let i = 0; i < 50 && !/State\s+Done/.test(await other.innerText('main')); i++) {
      await other.waitForTimeout(200)
      await other.goto(at)
    }
    await says(/Changed\s+1/, other)
    await look('withdrawal-done', other)
    await other.goto(`${setup.base}/admin/keys`)
    await says(/role does not open this page/, other)
    unproblematic({ problems: other.problems.filter((p) => !/403/.test(p)) }, 'the other')
    await other.context().close()
    await page.goto(`${setup.base}/admin/certificates/${now}/lift`)
    await page.fill('#reason', 'it was right')
    await send('Lift the suspension')
    await says(/valid again/)

    await page.goto(`${setup.base}/admin/places/new`)
    await page.fill('#code', `FAC${width}`)
    await page.fill('#name', `Clinic ${width}`)
    await send('Save')
    await says(/The facility is saved/)
    for (const what of ['cases', 'withdrawals', 'sources', 'holds', 'holds/report', 'uploads', 'places', 'programmes', 'layouts', 'keys', 'settings']) {
      await page.goto(`${setup.base}/admin/${what}`)
      await look(what.replace('/', '-'))
    }

    // A file, watched to its end.
    await page.goto(`${setup.base}/admin/uploads`)
    await page.setInputFiles('#file', { name: 'list.json', mimeType: 'application/json', buffer: Buffer.from(`[{"enrolmentCode":"UP-${width}"}]`) })
    await send('Upload')
    // The script reloads the page at the end.
    await page.waitForFunction(() => /State\s+Done/.test(document.querySelector('main')?.innerText ?? ''), undefined, { timeout: 30_000 })
    await page.waitForLoadState('load')
    await says(/Download the wrong rows/)
    await look('upload')
    unproblematic({ problems: page.problems.filter((p) => !/422/.test(p)) }, 'an administrator') // the reason that was left out

    // By keyboard alone from the top of the page to a certificate.
    await page.goto(`${setup.base}/admin/certificates`)
    const focus = () => page.evaluate(() => document.activeElement?.id || document.activeElement?.textContent.trim())
    for (let i = 0; i < 60 && await focus() !== 'certificate'; i++) await page.keyboard.press('Tab')
    await page.keyboard.insertText(now)
    await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')])
    assert.equal(new URL(page.url()).pathname, `/admin/certificates/${now}`)
    await page.context().close()
  }
})
