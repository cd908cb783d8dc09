// What else administrators do: staff from their invitation to the day they leave,
// messages with cost, a campaign by two people, a layout by two people, a source
// whose record is held and its mapping tried, keys, and what auditors see. Each page
// fits, is accessible, and is kept as a picture.
import { accessible, assert, fits, newPage, setup, shot, unproblematic, withBrowser } from './lib.mjs'

await withBrowser(async (browser) => {
  {
    const { width } = setup
    const as = async (role) => {
      const page = await newPage(browser, { width, height: 800 })
      await page.goto(`${setup.base}/sign-in?to=%2Faccount&lang=en`)
      await Promise.all([page.waitForNavigation(), page.click(`form[action="/sign-in/demo"]:has(input[value="${role}"]) button`)])
      return page
    }
    const done = async (page, what) => {
      // Forms that were refused, and pages that somebody may not open.
      unproblematic({ problems: page.problems.filter((p) => !/status of (422|403)/.test(p)) }, `${what} ${width}`)
      await page.context().close()
    }
    const page = await as('system-admin')
    const look = async (what, on = page) => {
      await accessible(on, `${what} ${width}`)
      await fits(on, `${what} ${width}`)
      await shot(on, `admin2-${what}-${width}`)
    }
    const open = (path, on = page) => on.goto(`${setup.base}/admin${path}`)
    const send = (button, on = page) => Promise.all([on.waitForNavigation(), on.click(`main form button:has-text("${button}")`)])
    const says = async (text, on = page) => assert.match(await on.innerText('main'), text)
    const go = (text, on = page) => Promise.all([on.waitForNavigation(), on.click(`main a:has-text("${text}")`)])

    // Staff: invited with a link that is shown once, another role, deactivated,
    // brought back, gone with everything handed over.
    await open('/staff')
    await says(/system administrator/i)
    await look('staff')
    await go('Invite')
    await look('staff-new')
    await send('Invite')
    await page.waitForSelector('.govuk-error-summary')
    await look('staff-faults')
    await page.fill('#name', `Carol Clarke ${width}`)
    await page.fill('#login', `c.clarke.${width}`)
    await page.selectOption('#role', 'programme-admin')
    await page.fill('#facility', '')
    await send('Invite')
    await says(/\/sign-in\/link\/|\/sign-in\/welcome|once/i)
    await look('staff-link')
    await open('/staff')
    await go(`Carol Clarke ${width}`)
    await look('staff-one')
    await page.selectOption('#role', 'auditor')
    await send('Change role or facility')
    await says(/The role is changed[\s\S]*Auditor/)
    await send('Deactivate')
    await says(/The account is deactivated/)
    await look('staff-deactivated')
    await send('Reactivate')
    await says(/The account is reactivated/)
    await send('Leaves for good')
    await says(/sessions|tokens|cases/)
    await look('staff-left')

    // Messages: what is sent, its length and cost, and who gets none.
    await open('/messages')
    await look('messages')
    await open('/messages/templates')
    await says(/GSM-7/)
    await look('templates')
    await open('/messages')
    const first = page.locator('main a[href^="/admin/messages/"]').filter({ hasText: /^\d+$/ }).first()
    assert.ok(await first.count(), 'the outbox is empty')
    await Promise.all([page.waitForNavigation(), first.click()])
    await says(/•••/)
    await look('message')
    await open('/messages/stopped')
    await send('Save')
    await page.waitForSelector('.govuk-error-summary')
    await page.fill('#to', '8765550199')
    await page.selectOption('#reason', 'wrong-number')
    await send('Save')
    await says(/are stopped/)
    await look('stopped')
    await page.fill('#to', '8765550199')
    await page.check('input[name=act][value=lift]')
    await send('Save')
    await says(/allowed again/)

    // A campaign is counted, and approved by somebody else.
    await open('/messages/campaigns')
    await look('campaigns')
    await go('New campaign')
    await look('campaign-new')
    await page.fill('#name', `Second doses ${width}`)
    await send('Count recipients')
    for (let n = 0; n < 50 && /is being counted/.test(await page.textContent('main')); n++) {
      await page.waitForTimeout(200)
      await page.reload()
    }
    await says(/Somebody else has to approve it/)
    await look('campaign')
    const campaign = page.url()
    const other = await as('programme-admin')
    await other.goto(campaign)
    await look('campaign-approve', other)
    await send('Approve and send', other)
    await says(/approved and being sent|Done/, other)
    await look('campaign-sent', other)

    // A layout: begun, changed, seen, asked for, and put in force by somebody else.
    await open('/layouts')
    await look('layouts')
    await go('standard')
    await look('layout-versions')
    await send('Begin a new version')
    await look('layout-draft')
    await page.fill('#accent', '#ffee00')
    await send('Save the draft')
    await says(/darker colour/)
    await look('layout-faults')
    const colour = width === 360 ? '#7a1f3d' : '#12436d'
    await page.fill('#accent', colour)
    await page.fill('#why', `the colour of ${width}`)
    await page.fill('#note-en', 'Vaccination is free of charge.')
    await page.uncheck('#show')
    await send('Save the draft')
    await says(/The draft is saved/)
    await look('layout-saved')
    const preview = await as('system-admin')
    await preview.goto(new URL(await page.getAttribute('main a[href$="?form=page"]', 'href'), setup.base).href)
    assert.match(await preview.innerText('main'), /Vaccination is free of charge/)
    await fits(preview, `a preview ${width}`)
    await shot(preview, `admin2-layout-preview-${width}`)
    assert.equal(await preview.evaluate(() => getComputedStyle(document.documentElement).getPropertyValue('--accent').trim()), colour)
    await preview.context().close()
    const pdf = await page.request.get(new URL(await page.getAttribute('main a[href*="/sample/"]', 'href'), setup.base).href)
    assert.equal(pdf.headers()['content-type'], 'application/pdf')
    await send('Ask for approval')
    await says(/Somebody else can approve it now/)
    await look('layout-asked')
    const version = page.url().split('?')[0]
    await other.goto(version)
    await look('layout-approve', other)
    await send('Approve and put in force', other)
    await says(/It is in force/, other)
    await look('layout-in-force', other)
    const printed = await newPage(browser, { width })
    await printed.goto(setup.print)
    assert.match(await printed.innerText('main'), /Vaccination is free of charge/)
    await shot(printed, `admin2-layout-printed-${width}`)
    await printed.context().close()

    // A source: tested, its held record, its mapping tried on what was sent last.
    await open('/sources')
    await says(/commcare/)
    await look('sources')
    await go('commcare')
    await look('source')
    await open('/sources/commcare/mapping')
    await look('mapping')
    await send('Try')
    await says(/vaccination\.product|No|nothing/i)
    await look('mapping-tried')
    await page.fill('#mapping', 'person: {name: [')
    await send('Try')
    await page.waitForSelector('.govuk-error-summary')
    await look('mapping-wrong')
    await open('/holds')
    await look('holds')
    await Promise.all([page.waitForNavigation(), page.click('main .admin-table a >> nth=0')])
    await look('hold')
    await open('/holds/report')
    await look('holds-report')
    if (width === 360) { // the second time round: what is decided is gone
      await open('/sources/commcare')
      await page.fill('#reason', 'a test')
      await send('Pause')
      await says(/The source is paused/)
      await send('Resume')
      await says(/The source is active|answer/)
    }

    // One certificate with all that happened to it.
    await page.goto(`${setup.base}/admin/certificates/${setup.print.split('/').at(-2)}`)
    await says(/Messages[\s\S]*Prints at a desk[\s\S]*What happened/)
    await look('history')

    // Keys and settings.
    await open('/keys')
    await look('keys')
    const before = await page.locator('main .admin-table tbody tr').count()
    await send('Make new keys')
    await says(/There are new keys/)
    assert.ok(await page.locator('main .admin-table tbody tr').count() > before)
    await look('keys-rotated')
    await open('/settings')
    await says(/keys\.rotate[\s\S]*layout\.approve/)
    await look('settings')
    for (const path of ['/uploads', '/places/new', '/programmes']) {
      await open(path)
      await look(path.slice(1).replace('/', '-'))
    }

    // An auditor: entries, alarms, chains, what is kept; no person.
    const auditor = await as('auditor')
    for (const path of ['', '/alarms', '/chains', '/kept']) {
      await open(`/audit${path}`, auditor)
      await look(`audit${path.replace('/', '-')}`, auditor)
    }
    await open('/audit?act=layout.approve', auditor)
    await says(/asked by staff:/, auditor)
    await open('', auditor)
    await look('today-auditor', auditor)
    const refused = await auditor.goto(`${setup.base}/admin/certificates`)
    assert.equal(refused.status(), 403)
    await done(auditor, 'an auditor')

    // By keyboard alone: a draft of a layout is begun and given up.
    if (width === 1280) {
      await open('/layouts/standard')
      const focus = () => page.evaluate(() => document.activeElement?.textContent.trim())
      const tabTo = async (text) => {
        for (let i = 0; i < 80 && await focus() !== text; i++) await page.keyboard.press('Tab')
        assert.equal(await focus(), text, 'it cannot be reached by keyboard')
      }
      await tabTo('Begin a new version')
      await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')])
      await says(/Draft/)
      await tabTo('Refuse, or give up')
      await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')])
      await says(/It is refused and changes nothing/)
    }
    await done(page, 'an administrator')
    await done(other, 'the other')
  }
})
