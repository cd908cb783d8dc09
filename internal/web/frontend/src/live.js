// Keeps progress up to date; without it the page says how far it was.
for (const box of document.querySelectorAll('[data-live]')) {
  if (!box.dataset.live) continue
  const events = new EventSource(box.dataset.live)
  events.onmessage = (e) => {
    const now = JSON.parse(e.data)
    const bar = box.querySelector('progress')
    bar.max = Math.max(now.size, 1)
    bar.value = now.done
    box.querySelector('[role=status]').textContent = now.text
    if (now.over) { events.close(); location.reload() }
  }
}
