// Jamaica, from a dose in CommCare to a certificate that was put right: told by SMS,
// fetched with a code, printed at a desk, reported as wrong with a photograph,
// corrected by an administrator, told again; the old code says that it was replaced.
import { assert, openVerifier, setup, verdict, withBrowser } from './lib.mjs'
import { digits, download, keep, link, look, open, scanned, send, sms, staff, verified } from './story.mjs'

const person = setup.citizen
const telephone = `1${person.number}`

/** Signs in with the code of the n-th message and answers the question. */
async function certificate(page, address, n) {
  await page.goto(address)
  await page.fill('#number', person.number)
  await send(page, 'main button[type=submit]')
  const text = await sms(telephone, n)
  assert.match(text, /\d{6}/)
  assert.ok(!/vaccin|covid/i.test(text), text)
  await page.fill('#code', digits(text))
  await send(page, 'main form >> nth=0 >> button')
  await look(page, `jamaica-list-${n}`)
  await page.click('.holder__open >> nth=0')
  await page.fill('#answer', person.day)
  await page.fill('#answer-month', person.month)
  await page.fill('#answer-year', person.year)
  await send(page, 'main button[type=submit]')
  assert.match(await page.innerText('main'), new RegExp(person.name))
  await look(page, `jamaica-certificate-${n}`)
}

await withBrowser(async (browser) => {
  // The first message is there because a dose was given, and says nothing of it.
  const ready = await sms(telephone, 1)
  assert.match(ready, /certificate is ready/)
  const phone = await open(browser)
  await certificate(phone, link(ready), 2)
  const old = await download(phone, 'form[action$="/pdf"] button', 'old.pdf')
  assert.match(verified(old), /^valid, exit 0/)
  const src = await phone.getAttribute('.qr', 'src')
  const picture = keep('old.png', src.startsWith('data:') ? Buffer.from(src.split(',')[1], 'base64') : await (await phone.request.get(new URL(src, setup.base).href)).body())
  const text = scanned(picture)
  if (setup.zbarimg) assert.match(text, /^HC1:|^[0-9A-Z $%*+\-./:]{100,}$/)

  // The desk reads the paper, and prints it with a number.
  const desk = await staff(browser, 'facility-staff', 360)
  await desk.goto(`${setup.base}/desk`)
  await desk.fill('#text', person.number)
  await send(desk, 'main form >> nth=0 >> button[type=submit]')
  assert.ok(!(await desk.innerText('main')).includes(person.name))
  await look(desk, 'jamaica-found')
  await desk.fill('[id^=value-] >> nth=0', `${person.day}/${person.month}/${person.year}`)
  await send(desk, 'main form:has([id^=value-]) >> nth=0 >> button[type=submit]')
  assert.equal(await desk.innerText('h1'), person.name)
  await look(desk, 'jamaica-record')
  await send(desk, 'main button:has-text("Print")')
  assert.match(await desk.innerText('main'), /Copy 1, number 1/)
  const printed = keep('printed.pdf', await (await desk.request.get(new URL(await desk.getAttribute('#file', 'href'), setup.base).href)).body())
  assert.match(verified(printed), /^valid, exit 0/)

  // The batch number is wrong: reported with a photograph.
  await phone.click('text=Report a mistake')
  await phone.check('input[name=field][value="vaccination.lot"]')
  await phone.fill('#value', 'JM9999')
  await phone.setInputFiles('#evidence', setup.empty)
  await send(phone, 'main form >> nth=0 >> button')
  const ticket = /[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}/.exec(await phone.innerText('main'))[0]
  await look(phone, 'jamaica-reported')

  // An administrator sees before and after, and the photograph as a file.
  const admin = await staff(browser, 'system-admin', 1280)
  await admin.goto(`${setup.base}/admin/cases`)
  await look(admin, 'jamaica-cases')
  await admin.click(`a:has-text("${ticket}")`)
  await admin.waitForSelector('h1')
  assert.match(await admin.innerText('main'), /JM0001[\s\S]*JM9999/)
  await look(admin, 'jamaica-case')
  const photo = await admin.request.get(new URL(await admin.getAttribute('a[href*="/evidence/"]', 'href'), setup.base).href)
  assert.equal(photo.headers()['content-type'], 'image/jpeg')
  assert.match(photo.headers()['content-disposition'], /^attachment/)
  await admin.fill('#note-approve', 'the card says JM9999')
  await send(admin, 'form[action$="/approve"] button')
  assert.match(await admin.innerText('main'), /Approved/)
  await look(admin, 'jamaica-approved')

  // They are told, sign in again, and hold a certificate that is right.
  const told = []
  for (let n = 3; told.length === 0 || !told.some((t) => /corrected/.test(t)); n++) told.push(await sms(telephone, n))
  const corrected = told.find((t) => /corrected/.test(t))
  console.log(`messages: ${[ready, ...told].join(' | ').replaceAll(setup.base, '…')}`)
  await phone.goto(`${setup.base}/my/reports`)
  const state = await phone.innerText('main')
  assert.match(state, /Approved|Corrected|Done|Decided|accepted/i)
  await look(phone, 'jamaica-decided')
  await phone.goto(link(corrected))
  await phone.goto(`${setup.base}/my/certificates`)
  await phone.click('.holder__open >> nth=0')
  if (await phone.locator('#answer').count()) {
    await phone.fill('#answer', person.day)
    await phone.fill('#answer-month', person.month)
    await phone.fill('#answer-year', person.year)
    await send(phone, 'main button[type=submit]')
  }
  await phone.waitForSelector('.qr')
  const fresh = await download(phone, 'form[action$="/pdf"] button', 'new.pdf')
  assert.match(verified(fresh), /^valid, exit 0/)
  assert.match(verified(fresh), /JM9999/)
  assert.match(verified(old), /exit 1, .*state superseded/)

  // Whoever is shown the old paper is told.
  const border = await open(browser)
  await border.goto(`${setup.base}/verify?lang=en`)
  await border.waitForSelector('html[data-verifier]', { timeout: 60_000 })
  await border.setInputFiles('#file', picture)
  const v = await verdict(border)
  assert.notEqual(v.kind, 'valid', v.text)
  assert.match(v.text, /replaced|superseded|corrected|newer/i)
  await look(border, 'jamaica-superseded')

  // All of it stands in one place.
  await admin.goto(`${setup.base}/admin/cases/${ticket}`)
  await admin.click('main dl a[href^="/admin/certificates/"] >> nth=0')
  await admin.waitForSelector('h1')
  const timeline = await admin.innerText('main')
  await look(admin, 'jamaica-timeline')
  for (const what of ['commcare', 'copy 1, number 1', 'a.brown|staff:', 'replaced by a corrected']) assert.match(timeline, new RegExp(what, 'i'), `the timeline lacks ${what}:\n${timeline}`)
  for (const page of [phone, desk, admin, border]) assert.deepEqual(page.problems, [])
})
