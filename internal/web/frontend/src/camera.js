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

  constructor(video, codes) {
    this.#video = video
    this.#codes = codes
    // A page nobody sees does not watch.
    document.addEventListener('visibilitychange', () => { if (document.hidden) this.stop() })
  }

  /**
   * Starts the camera and looks until a code is found or stop() is called.
   * @returns {Promise<string|Uint8Array|undefined>} the code
   */
  async scan({ onStart, onTips, onStop }) {
    const stream = await navigator.mediaDevices.getUserMedia({
      audio: false, video: { facingMode: { ideal: 'environment' }, width: { ideal: 1280 }, height: { ideal: 720 } },
    })
    this.#stream = stream
    const tips = setTimeout(onTips, tipsAfter)
    try {
      this.#video.srcObject = stream
      await this.#video.play()
      onStart()
      while (this.#stream === stream) {
        if (this.#video.videoWidth > 0) {
          const code = await this.#codes.inFrame(this.#video)
          if (code !== undefined && this.#stream === stream) return code
        }
        await wait(pause)
      }
      return undefined
    } finally {
      clearTimeout(tips)
      stream.getTracks().forEach((t) => t.stop())
      if (this.#stream === stream) this.stop()
      onStop()
    }
  }

  stop() {
    this.#stream?.getTracks().forEach((t) => t.stop())
    this.#stream = undefined
    this.#video.srcObject = null
  }
}
