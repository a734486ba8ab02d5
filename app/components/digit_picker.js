// Small pictures to choose one of: 784 bytes each, in base64. What is written below one goes in as text, never as HTML.
const SIDE = 28

export default function ({ parentElement, data, setTriggerValue }) {
  const picker = parentElement.querySelector(".picker")
  if (picker.dataset.shown !== data.shown) {
    picker.replaceChildren(...data.pictures.map(picture => button(picture)))
    picker.dataset.shown = data.shown
  }
  for (const made of picker.children) {
    made.setAttribute("aria-pressed", String(Number(made.dataset.place) === data.chosen))
    made.onclick = () => {
      setTriggerValue("picked", Number(made.dataset.place))
      show(data.shows)
    }
  }
}

// What a choice is about may stand outside of what is seen, above or below.
function show(selector) {
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches
  document.querySelector(selector)?.scrollIntoView({ behavior: calm ? "auto" : "smooth", block: "nearest" })
}

function button({ place, pixels, text, note, alt, difficulty }) {
  const made = document.createElement("button")
  made.type = "button"
  made.dataset.place = place
  made.dataset.difficulty = difficulty
  made.setAttribute("aria-label", alt)
  made.title = alt
  const told = document.createElement("span")
  told.textContent = text
  told.setAttribute("aria-hidden", "true")
  const noted = document.createElement("small")
  noted.textContent = note
  noted.setAttribute("aria-hidden", "true")
  made.append(drawn(pixels), told, noted)
  return made
}

function drawn(pixels) {
  const canvas = document.createElement("canvas")
  canvas.width = canvas.height = SIDE
  const image = new ImageData(SIDE, SIDE)
  const ink = atob(pixels)
  for (let i = 0; i < SIDE * SIDE; i += 1) {
    image.data.fill(ink.charCodeAt(i), 4 * i, 4 * i + 3)
    image.data[4 * i + 3] = 255
  }
  canvas.getContext("2d").putImageData(image, 0, 0)
  return canvas
}
