// A log is untrusted: it goes in as text nodes only. Search, follow and scrolling never trouble the server.
const views = new WeakMap()

export default function ({ parentElement, data }) {
  let view = views.get(parentElement)
  if (!view || !view.pre.isConnected) {
    view = mount(parentElement.querySelector(".log"))
    views.set(parentElement, view)
  }
  view.pre.style.setProperty("--log-height", `${data.height}px`)
  view.show(data.text)
}

function mount(root) {
  const pre = root.querySelector("pre")
  const search = root.querySelector("input[type=search]")
  const follow = root.querySelector("input[type=checkbox]")
  const count = root.querySelector(".count")
  let text = null
  let marks = []
  let now = 0

  function show(given) {
    if (given === text) return
    text = given
    paint()
    if (follow.checked) pre.scrollTop = pre.scrollHeight
  }

  function paint() {
    const top = pre.scrollTop
    const wanted = search.value.toLowerCase()
    const parts = []
    marks = []
    let from = 0
    const lower = text.toLowerCase()
    if (wanted && lower.length === text.length) {
      for (let at = lower.indexOf(wanted); at >= 0; at = lower.indexOf(wanted, from)) {
        const mark = document.createElement("mark")
        mark.textContent = text.slice(at, at + wanted.length)
        parts.push(text.slice(from, at), mark)
        marks.push(mark)
        from = at + wanted.length
      }
    }
    pre.replaceChildren(...parts, text.slice(from))
    pre.scrollTop = top
    now = Math.min(now, Math.max(0, marks.length - 1))
    point()
  }

  function point() {
    count.textContent = !search.value ? "" : marks.length ? `${now + 1} of ${marks.length}` : "No match"
    marks.forEach((mark, index) => mark.toggleAttribute("data-now", index === now))
  }

  function go(step) {
    if (!marks.length) return
    now = (now + step + marks.length) % marks.length
    point()
    follow.checked = false
    marks[now].scrollIntoView({ block: "center", inline: "nearest" })
  }

  search.oninput = () => {
    now = 0
    paint()
    go(0)
  }
  search.onkeydown = event => {
    event.stopPropagation() // letters are Streamlit's shortcuts
    if (event.key === "Enter") go(event.shiftKey ? -1 : 1)
  }
  follow.onchange = () => {
    if (follow.checked) pre.scrollTop = pre.scrollHeight
  }
  pre.onwheel = pre.ontouchmove = () => {
    // Reading upwards means: stop following. Being at the end again means: go on.
    requestAnimationFrame(() => (follow.checked = pre.scrollHeight - pre.scrollTop - pre.clientHeight < 24))
  }
  return { pre, show }
}
