// The drawing surface. Coordinates are those of a 280 x 280 square whatever its size on the screen.
// Strokes live here while the page is open; Python gets them when a stroke ends and gives them back when the
// component is mounted again (page change) or when `revision` grows (the page itself changed the drawing).
const SIDE = 280
const MAX_POINTS = 20000
const PEN = { least: 10, usual: 20, most: 34 }
const STEP = 10 // of 280: a pixel of what the model sees
const ARROWS = { ArrowUp: [0, -STEP], ArrowDown: [0, STEP], ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0] }
const THIN = 0.5 // of 280: a twentieth of a pixel of what the model sees

const boards = new WeakMap()

export default function (component) {
  const { parentElement, data, setStateValue } = component
  let board = boards.get(parentElement)
  if (!board || !board.canvas.isConnected) {
    board?.close()
    board = mount(parentElement.querySelector(".digit-canvas"))
    boards.set(parentElement, board)
  }
  board.send = drawing => setStateValue("drawing", drawing)
  if (board.revision !== data.revision) board.load(data.strokes, data.revision)
  return () => {
    board.close()
    boards.delete(parentElement)
  }
}

function mount(root) {
  const canvas = root.querySelector("canvas")
  const context = canvas.getContext("2d")
  const pen = root.querySelector("input")
  const dot = root.querySelector(".digit-canvas__dot i")
  const live = root.querySelector("[aria-live]")
  const board = { canvas, revision: null, send: () => {}, load }
  let strokes = []
  let current = null
  const cursor = root.querySelector(".digit-canvas__cursor")
  let seq = 0
  let frame = 0
  let at = [SIDE / 2, SIDE / 4] // the pen of who draws with the keyboard

  function load(given, revision) {
    board.revision = revision
    current = null
    strokes = given.map(stroke => ({ width: stroke.width, points: stroke.points.slice() }))
    if (strokes.length) setPen(strokes[strokes.length - 1].width)
    draw()
  }

  function report(said) {
    seq = Math.max(seq + 1, Date.now()) // differs from every earlier mount's, so the page can tell news from memory
    board.send({ strokes, seq })
    live.textContent = said
  }

  function draw() {
    const scale = canvas.width / SIDE
    context.setTransform(scale, 0, 0, scale, 0, 0)
    context.clearRect(0, 0, SIDE, SIDE)
    context.strokeStyle = "#fff"
    context.lineCap = "round"
    context.lineJoin = "round"
    for (const stroke of current ? [...strokes, current] : strokes) {
      context.lineWidth = stroke.width
      context.beginPath()
      const [x, y] = stroke.points[0]
      context.moveTo(x + (stroke.points.length === 1 ? 0.01 : 0), y) // a line without length would leave no dot
      for (const point of stroke.points) context.lineTo(...point)
      context.stroke()
    }
    root.toggleAttribute("data-empty", !current && strokes.length === 0)
  }

  function drawSoon() {
    if (frame) return
    frame = requestAnimationFrame(() => {
      frame = 0
      draw()
    })
  }

  function setPen(width) {
    pen.value = width
    pen.style.setProperty("--filled", `${((pen.value - PEN.least) / (PEN.most - PEN.least)) * 100}%`)
    dot.style.width = dot.style.height = `${pen.value * 0.68}px`
  }

  function place(event) {
    const box = canvas.getBoundingClientRect()
    const inside = part => Math.round(Math.min(1, Math.max(0, part)) * SIDE * 10) / 10
    return [inside((event.clientX - box.left) / box.width), inside((event.clientY - box.top) / box.height)]
  }

  function extend(event) {
    const moves = event.getCoalescedEvents ? event.getCoalescedEvents() : []
    for (const move of moves.length ? moves : [event]) {
      if (current.points.length + current.before >= MAX_POINTS) return
      const point = place(move)
      const last = current.points[current.points.length - 1]
      if (Math.hypot(point[0] - last[0], point[1] - last[1]) < 1) continue
      current.points.push(point)
      if (move.pointerType === "pen" && move.pressure > 0) press(move.pressure)
    }
  }

  // One width per stroke: a pen's mean pressure moves it between 0.6 and 1.4 of the chosen size.
  function press(pressure) {
    current.presses += 1
    current.pressure += (pressure - current.pressure) / current.presses
    current.width = bounded(Math.round(pen.value * (0.6 + 0.8 * current.pressure) * 10) / 10)
  }

  function finish() {
    const { width, points } = current
    current = null
    strokes = [...strokes, { width, points: thin(points) }]
    draw()
    report(`Stroke ${strokes.length} drawn`)
  }

  function undo() {
    if (!strokes.length) return void (live.textContent = "Nothing to undo")
    strokes = strokes.slice(0, -1)
    draw()
    report(strokes.length ? `Undone, ${strokes.length} left` : "Undone, the drawing is empty")
  }

  function clear() {
    if (!strokes.length) return void (live.textContent = "The drawing is already empty")
    strokes = []
    draw()
    report("Cleared")
  }

  canvas.onpointerdown = event => {
    if (current || event.button !== 0 || !event.isPrimary) return
    const before = strokes.reduce((sum, stroke) => sum + stroke.points.length, 0)
    if (before >= MAX_POINTS) return void (live.textContent = "The drawing is full: undo or clear")
    event.preventDefault()
    canvas.focus({ preventScroll: true })
    canvas.setPointerCapture(event.pointerId)
    current = { id: event.pointerId, before, width: Number(pen.value), points: [place(event)], presses: 0, pressure: 0 }
    if (event.pointerType === "pen" && event.pressure > 0) press(event.pressure)
    draw()
  }
  canvas.onpointermove = event => {
    if (event.pointerId !== current?.id) return
    extend(event)
    drawSoon()
  }
  canvas.onpointerup = canvas.onpointercancel = event => {
    if (event.pointerId === current?.id) finish()
  }
  canvas.oncontextmenu = event => event.preventDefault()

  // Drawing without a pointer: arrows move the pen, the space bar puts it down and lifts it.
  function showCursor() {
    cursor.style.left = `${(at[0] / SIDE) * 100}%`
    cursor.style.top = `${(at[1] / SIDE) * 100}%`
    cursor.toggleAttribute("data-down", current?.id === "keys")
  }

  function where() {
    return `row ${Math.round(at[1] / STEP)}, column ${Math.round(at[0] / STEP)} of 28`
  }

  function penDown() {
    if (current) {
      if (current.id === "keys") finish()
    } else {
      const before = strokes.reduce((sum, stroke) => sum + stroke.points.length, 0)
      current = { id: "keys", before, width: Number(pen.value), points: [at] }
      draw()
      live.textContent = `Pen down, ${where()}`
    }
    showCursor()
  }

  function move([right, down]) {
    at = [at[0] + right, at[1] + down].map(part => Math.min(SIDE - STEP, Math.max(STEP, part)))
    if (current?.id === "keys" && current.points.length + current.before < MAX_POINTS) current.points.push(at)
    draw()
    showCursor()
    live.textContent = `${current ? "Drawing" : "Pen up"}, ${where()}`
  }

  canvas.addEventListener("keydown", event => {
    const arrow = ARROWS[event.key]
    if ((!arrow && event.key !== " ") || event.ctrlKey || event.metaKey || event.altKey) return
    event.preventDefault()
    event.stopPropagation()
    if (arrow) move(arrow)
    else if (!event.repeat) penDown()
  })
  canvas.onblur = () => {
    if (current?.id === "keys") finish()
    showCursor()
  }

  // The whole page listens, but for people who type or are asked something. In the capture phase: C is Streamlit's too.
  function onKey(event) {
    const target = event.composedPath()[0] // the field itself, also inside another component
    const typing = target.closest?.("input:not([type=range]), textarea, select, [contenteditable=true], [role=dialog]")
    const key = event.key.toLowerCase()
    const command = event.ctrlKey || event.metaKey
    if (typing || event.altKey || event.shiftKey) return
    const atRest = target === canvas || target === document.body
    const action =
      command ? key === "z" && undo
      : key === "u" ? undo
      : key === "c" ? clear
      : key === "enter" && atRest && strokes.length && (() => report("Asked again"))
    if (!action) return
    event.preventDefault()
    event.stopPropagation()
    if (!event.repeat) action()
  }
  document.addEventListener("keydown", onKey, true)
  root.querySelector("[data-do=undo]").onclick = undo
  root.querySelector("[data-do=clear]").onclick = clear
  pen.oninput = () => setPen(pen.value)

  const observer = new ResizeObserver(() => {
    const side = Math.max(1, Math.round(canvas.clientWidth * (window.devicePixelRatio || 1)))
    if (canvas.width !== side) canvas.width = canvas.height = side
    draw()
  })
  observer.observe(canvas)
  board.close = () => {
    observer.disconnect()
    document.removeEventListener("keydown", onKey, true)
  }
  setPen(PEN.usual)
  showCursor()
  draw()
  return board
}

function bounded(width) {
  return Math.min(PEN.most, Math.max(PEN.least, width))
}

// Ramer, Douglas and Peucker: drop every point that lies closer than THIN to the line its neighbours make.
// With a stack: a long stroke must not be able to exhaust the browser's.
function thin(points) {
  const keep = new Set([0, points.length - 1])
  const spans = [[0, points.length - 1]]
  while (spans.length) {
    const [from, to] = spans.pop()
    let far = -1
    let most = THIN
    for (let i = from + 1; i < to; i += 1) {
      const away = distance(points[i], points[from], points[to])
      if (away > most) [far, most] = [i, away]
    }
    if (far > 0) {
      keep.add(far)
      spans.push([from, far], [far, to])
    }
  }
  return points.filter((_, index) => keep.has(index))
}

function distance([x, y], [ax, ay], [bx, by]) {
  const length = (bx - ax) ** 2 + (by - ay) ** 2
  const along = length ? Math.min(1, Math.max(0, ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / length)) : 0
  return Math.hypot(x - ax - along * (bx - ax), y - ay - along * (by - ay))
}
