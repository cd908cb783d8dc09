// The camera at the desk: the code or barcode of a certificate, or the barcode of
// an enrolment code, goes into the search as if it were typed. Where there is no
// camera nothing is offered.
import { Camera, refusal, whyNot } from './camera.js'
import { Codes } from './codes.js'
import { text } from './result.js'

/** Offers the camera in a section of the page that is hidden until then. */
export async function offer(section) {
  if (whyNot()) return
  const devices = await navigator.mediaDevices.enumerateDevices()
  if (!devices.some((d) => d.kind === 'videoinput')) return
  const $ = (id) => document.getElementById(id)
  const config = JSON.parse(section.dataset.config)
  const t = (key, values) => text(config.texts, key, values)
  const show = (id, on) => { $(id).hidden = !on }
  const say = (key) => { $('camera-say').textContent = key ? t(key) : '' }
  const codes = new Codes(config)
  const camera = new Camera($('camera-video'), codes, { light: $('camera-light'), lens: $('camera-lens'), t })
  section.hidden = false

  $('camera-start').addEventListener('click', async () => {
    say('verify.camera.starting')
    codes.prepare().catch(() => {}) // it is tried again with the first frame
    show('camera-start', false)
    let code
    let end = ''
    try {
      code = await camera.scan({
        onStart() { say('desk.camera.looking'); show('camera-view', true); $('camera-stop').focus() },
        onTips() { say('desk.camera.tips') },
        onStop() { show('camera-view', false); show('camera-start', true) },
      })
    } catch (e) {
      show('camera-start', true)
      end = refusal(e).replace(/^verify\.camera\.(denied|none)$/, 'desk.camera.$1')
    }
    if (code === undefined) {
      say(end)
      $('camera-start').focus()
      return
    }
    if (typeof code !== 'string') {
      say('desk.camera.strange')
      $('camera-start').focus()
      return
    }
    say('desk.camera.found')
    const field = $('text')
    field.value = code
    field.form.requestSubmit()
  })
  $('camera-stop').addEventListener('click', () => camera.stop())
}
