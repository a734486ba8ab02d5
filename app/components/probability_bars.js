// Ten bars that move instead of being drawn anew. Values are numbers from Python; text goes in as text, never as HTML.
export default function ({ parentElement, data }) {
  const bars = parentElement.querySelector(".bars")
  bars.setAttribute("aria-label", data.alt)
  while (bars.children.length < data.shares.length) bars.append(row(bars.children.length))
  data.shares.forEach((share, digit) => {
    const line = bars.children[digit]
    line.toggleAttribute("data-best", digit === data.best)
    line.querySelector(".fill").style.width = `${share * 100}%`
    line.querySelector(".share").textContent = data.texts[digit]
  })
}

function row(digit) {
  const line = element("row")
  const track = element("track")
  const name = element("digit")
  name.textContent = digit
  track.append(element("fill"))
  line.append(name, track, element("share"))
  return line
}

function element(name) {
  const made = document.createElement("div")
  made.className = name
  return made
}
