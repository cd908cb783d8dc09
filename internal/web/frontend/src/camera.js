// The camera: start, look for a code, stop; and why it cannot start.

const tipsAfter = 45_000 // ms without a code
const pause = 80 // ms between frames, to spare a weak device
const wait = (ms) => new Promise((done) => setTimeout(done, ms))

/** Why the camera cannot be used here at all, as the key of a text, or ''. */
export function whyNot() {
  if (!globalThis.isSecureContext) return 'verify.camera.insecure'
  return navigator.mediaDevices?.getUserMedia ? '' : 'verify.camera.unsupported'
}

/** The key of the text for what getUserMedia refused. */
export function refusal(error) {
  switch (error.name) {
    case 'NotAllowedError': case 'SecurityError': return 'verify.camera.denied'
    case 'NotFoundError': case 'OverconstrainedError': return 'verify.camera.none'
    default: return 'verify.camera.busy'
  }
}

export class Camera {
  #video
  #codes
  #stream

  #light // the button for it
  #lens // the choice of cameras
  #t

  constructor(video, codes, { light, lens, t }) {
    this.#video = video
    this.#codes = codes
    this.#light = light
    this.#lens = lens
    this.#t = t
    light.addEventListener('click', () => this.#shine(light.getAttribute('aria-pressed') !== 'true'))
    lens.addEventListener('change', () => this.#look().catch(() => this.stop()))
    // A page nobody sees does not watch.
    document.addEventListener('visibilitychange', () => { if (document.hidden) this.stop() })
  }

  /**
   * Starts the camera and looks until a code is found or stop() is called.
   * @returns {Promise<string|Uint8Array|undefined>} the code
   */
  async scan({ onStart, onTips, onStop }) {
    this.#stream = await open(this.#lens.value)
    const tips = setTimeout(onTips, tipsAfter)
    try {
      await this.#show()
      onStart()
      while (this.#stream) {
        if (this.#video.videoWidth > 0) {
          const code = await this.#codes.inFrame(this.#video)
          if (code !== undefined && this.#stream) return code
        }
        await wait(pause)
      }
      return undefined
    } finally {
      clearTimeout(tips)
      this.stop()
      onStop()
    }
  }

  // show plays what the camera sees, and offers light and lenses where there are
  // any.
  async #show() {
    this.#video.srcObject = this.#stream
    await this.#video.play()
    const [track] = this.#stream.getVideoTracks()
    this.#light.hidden = !track.getCapabilities?.().torch
    this.#lit(false)
    const cameras = (await navigator.mediaDevices.enumerateDevices()).filter((d) => d.kind === 'videoinput')
    this.#lens.closest('.govuk-form-group').hidden = cameras.length < 2
    this.#lens.replaceChildren(...cameras.map((d, i) => new Option(d.label || this.#t('verify.camera.lens.n', { n: String(i + 1) }), d.deviceId)))
    this.#lens.value = track.getSettings().deviceId ?? ''
  }

  // look goes on with the lens that was chosen.
  async #look() {
    const before = this.#stream
    if (!before) return
    before.getTracks().forEach((t) => t.stop())
    const stream = await open(this.#lens.value)
    if (this.#stream !== before) return stream.getTracks().forEach((t) => t.stop()) // stopped meanwhile
    this.#stream = stream
    await this.#show()
  }

  async #shine(on) {
    const [track] = this.#stream?.getVideoTracks() ?? []
    try {
      await track?.applyConstraints({ advanced: [{ torch: on }] })
      this.#lit(on)
    } catch { this.#light.hidden = true }
  }

  #lit(on) {
    this.#light.setAttribute('aria-pressed', String(on))
    this.#light.textContent = this.#t(on ? 'verify.camera.light.off' : 'verify.camera.light.on')
  }

  stop() {
    this.#stream?.getTracks().forEach((t) => t.stop())
    this.#stream = undefined
    this.#video.srcObject = null
  }
}

function open(lens) {
  const which = lens ? { deviceId: { exact: lens } } : { facingMode: { ideal: 'environment' } }
  return navigator.mediaDevices.getUserMedia({ audio: false, video: { ...which, width: { ideal: 1280 }, height: { ideal: 720 } } })
}
