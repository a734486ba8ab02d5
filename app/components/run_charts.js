// Many runs' curves in linked panels: one crosshair, one zoom and one highlighted run over all of them.
// Python sends everything as one block of bytes (run_charts.py says how); what is hovered or hidden stays here.
// The lines lie on one canvas, what follows the pointer on another above it: hovering never draws the lines again.
const PLOT = { left: 50, right: 12, top: 10, bottom: 24 }
const ROWS = 12 // of the list at the pointer; up to so many runs have a legend, too
const DRAG = 5 // pixels: less is a click
const DOTTED = 40 // points of a line; of more, the dots hide the line
const LINE = 0, RAW = 1, BAND = 2

const boards = new WeakMap()

export default function (component) {
  const { parentElement, data, setStateValue } = component
  const root = parentElement.querySelector(".run-charts")
  let board = boards.get(parentElement)
  if (!board || board.root !== root) {
    board?.close()
    board = mount(root)
    boards.set(parentElement, board)
  }
  board.send = range => setStateValue("range", range)
  board.take(data)
  return () => {
    board.close()
    boards.delete(parentElement)
  }
}

function read(bytes) {
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true)
  const head = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)))
  const floats = new Float32Array(bytes.slice(4 + length).buffer)
  for (const panel of head.panels) {
    panel.lines = panel.lines.map(([run, kind, from, n]) => ({
      run, kind,
      x: floats.subarray(from, from + n),
      y: floats.subarray(from + n, from + 2 * n),
      high: kind === BAND ? floats.subarray(from + 2 * n, from + 3 * n) : null,
    }))
  }
  return head
}

function mount(root) {
  const legend = root.querySelector(".run-charts__legend")
  const grid = root.querySelector(".run-charts__grid")
  const list = root.querySelector(".run-charts__list")
  const reset = root.querySelector(".run-charts__reset")
  const live = root.querySelector("[aria-live]")
  const board = { root, send: () => {}, take, close }
  const hidden = new Set() // keys of runs
  const seen = new Set() // panels that are on the screen
  let head = null
  let look = ""
  let whole = null // the last curves that were not cut to a range
  let range = null // what is zoomed to, in x
  let told // what Python said last of it
  let panels = []
  let pinned = "" // key of the run that stays highlighted
  let hover = null // { panel, x, y, run }
  let drag = null // { panel, from, to }
  let frame = 0
  let rest = 0

  function take(bytes) {
    const style = getComputedStyle(root)
    const now = style.getPropertyValue("--st-background-color") + style.getPropertyValue("--st-text-color")
    const next = bytes ? revisionOf(bytes) : ""
    if (!bytes || (head && next === head.revision && now === look)) return
    if (!head || next !== head.revision) {
      head = read(bytes)
      if (!head.cut) whole = head
      // Python's range counts when it is news: an answer to an older zoom must not undo a newer one.
      if (JSON.stringify(head.range) !== told) range = head.range
      told = JSON.stringify(head.range)
    }
    look = now
    build()
    drawAll()
  }

  function build() {
    while (panels.length > head.panels.length) {
      const gone = panels.pop()
      watcher.unobserve(gone.figure)
      seen.delete(gone)
      gone.figure.remove()
    }
    while (panels.length < head.panels.length) panels.push(panelOf(grid))
    grid.toggleAttribute("data-single", panels.length === 1)
    panels.forEach((panel, i) => {
      panel.model = head.panels[i]
      panel.title.textContent = panel.title.title = panel.model.title
      panel.note.textContent = panel.note.title = panel.model.note
      panel.over.setAttribute("aria-label", panel.model.alt)
    })
    buildLegend()
  }

  function buildLegend() {
    legend.replaceChildren()
    if (head.runs.length > ROWS || head.runs.length === 1) return
    head.runs.forEach((run, index) => {
      const chip = document.createElement("button")
      chip.type = "button"
      chip.title = "Hide or show"
      chip.setAttribute("aria-pressed", String(!hidden.has(run.key)))
      const mark = document.createElement("i")
      mark.style.background = colour(index)
      chip.append(mark, run.name)
      chip.onclick = () => {
        hidden.has(run.key) ? hidden.delete(run.key) : hidden.add(run.key)
        chip.setAttribute("aria-pressed", String(!hidden.has(run.key)))
        drawAll()
      }
      chip.onpointerenter = () => highlight(run.key)
      chip.onpointerleave = () => highlight("")
      legend.append(chip)
    })
  }

  function panelOf(parent) {
    const figure = document.createElement("figure")
    figure.innerHTML = // nothing of the data is in here
      '<figcaption><b></b><span></span></figcaption><div><canvas></canvas><canvas tabindex="0" role="img"></canvas></div>'
    const [base, over] = figure.querySelectorAll("canvas")
    const panel = { figure, base, over, title: figure.querySelector("b"), note: figure.querySelector("span"), model: null }
    over.onpointermove = event => move(panel, event)
    over.onpointerleave = () => !drag && leave()
    over.onpointerdown = event => {
      if (event.button !== 0 || event.pointerType === "touch") return
      over.setPointerCapture(event.pointerId)
      const x = panel.x.back(event.offsetX)
      drag = { panel, from: x, to: x, began: event.offsetX }
    }
    over.onpointerup = event => drop(panel, event)
    over.onpointercancel = () => { drag = null; leave() }
    over.ondblclick = () => zoom(null)
    over.onkeydown = event => key(panel, event)
    over.onblur = leave
    parent.append(figure)
    watcher.observe(figure)
    return panel
  }

  function visible(line) {
    return !hidden.has(head.runs[line.run].key)
  }

  function xRange() {
    if (range) return range
    let low = Infinity, high = -Infinity
    for (const { model } of panels)
      for (const line of model.lines) {
        if (!line.x.length || !visible(line)) continue
        for (const x of [line.x[0], line.x[line.x.length - 1]]) {
          if (head.x.log && !(x > 0)) continue
          if (x < low) low = x
          if (x > high) high = x
        }
        if (head.x.log && !(line.x[0] > 0)) for (const x of line.x) if (x > 0 && x < low) low = x
      }
    return low < high ? [low, high] : padded(low, high, head.x.log, 0.05)
  }

  function drawAll() {
    const [low, high] = xRange()
    reset.hidden = !range
    clearTimeout(rest)
    delete root.dataset.drawn
    root.dataset.runs = head.runs.length
    for (const panel of panels) panel.range = [low, high]
    // What is on the screen first; the others when the browser has shown it.
    const first = panels.filter(panel => seen.has(panel) || seen.size === 0)
    const later = panels.filter(panel => !first.includes(panel))
    first.forEach(draw)
    root.dataset.draws = Number(root.dataset.draws ?? 0) + 1
    const next = () => {
      const panel = later.shift()
      if (!panel) return void (root.dataset.drawn = head.revision)
      draw(panel)
      rest = setTimeout(next)
    }
    later.length ? (rest = setTimeout(next)) : next()
    hoverSoon()
  }

  function draw(panel) {
    const width = panel.over.clientWidth, height = panel.over.clientHeight
    if (!width || !height) return
    const context = prepared(panel.base, width, height)
    prepared(panel.over, width, height)
    const lines = panel.model.lines.filter(visible)
    const [low, high] = panel.range
    const [bottom, top] = yRange(lines, low, high)
    panel.x = scaleOf(head.x.log, low, high, PLOT.left, width - PLOT.right)
    panel.y = scaleOf(head.log_y, bottom, top, height - PLOT.bottom, PLOT.top)
    axes(context, panel, width, height)
    context.save()
    context.beginPath()
    context.rect(PLOT.left - 6, PLOT.top - 6, width - PLOT.left - PLOT.right + 12, height - PLOT.top - PLOT.bottom + 12)
    context.clip()
    context.lineJoin = "round"
    const many = head.runs.length > 30
    for (const kind of [BAND, RAW, LINE])
      for (const line of lines) {
        if (line.kind !== kind) continue
        context.strokeStyle = context.fillStyle = colour(line.run)
        context.globalAlpha = kind === BAND ? 0.16 : kind === RAW ? 0.22 : many ? 0.6 : 1
        context.lineWidth = kind === RAW ? 1 : many ? 1.1 : 1.8
        kind === BAND ? fill(context, panel, line) : trace(context, panel, line)
      }
    context.globalAlpha = 1
    for (const [run, x, y] of panel.model.best)
      if (!hidden.has(head.runs[run].key)) star(context, panel.x.at(x), panel.y.at(y), colour(run))
    context.restore()
  }

  function yRange(lines, low, high) {
    let bottom = Infinity, top = -Infinity
    for (const { x, y, high: upper } of lines)
      for (let i = 0; i < y.length; i += 1) {
        if (x[i] < low || x[i] > high) continue
        if (y[i] < bottom && (!head.log_y || y[i] > 0)) bottom = y[i]
        const most = upper ? upper[i] : y[i]
        if (most > top) top = most
      }
    return padded(bottom, top, head.log_y, 0.06)
  }

  function trace(context, panel, { x, y }) {
    context.beginPath()
    let pen = false
    let only = -1
    for (let i = 0; i < x.length; i += 1) {
      const usable = Number.isFinite(y[i]) && (!head.log_y || y[i] > 0) && (!head.x.log || x[i] > 0)
      if (!usable) {
        if (only >= 0) dot(context, panel.x.at(x[only]), panel.y.at(y[only]), 1.6)
        pen = false
        only = -1
        continue
      }
      only = pen ? -1 : i
      pen ? context.lineTo(panel.x.at(x[i]), panel.y.at(y[i])) : context.moveTo(panel.x.at(x[i]), panel.y.at(y[i]))
      pen = true
    }
    context.stroke()
    if (x.length <= DOTTED) {
      for (let i = 0; i < x.length; i += 1) {
        const usable = (!head.log_y || y[i] > 0) && (!head.x.log || x[i] > 0)
        if (usable) dot(context, panel.x.at(x[i]), panel.y.at(y[i]), 2.2) // of a gap there is no place to draw it
      }
    }
    if (only >= 0) dot(context, panel.x.at(x[only]), panel.y.at(y[only]), 2.5) // a single point is no line
  }

  function fill(context, panel, { x, y, high }) {
    const floor = head.log_y ? panel.y.low : -Infinity
    context.beginPath()
    for (let i = 0; i < x.length; i += 1) context.lineTo(panel.x.at(x[i]), panel.y.at(Math.max(high[i], floor)))
    for (let i = x.length - 1; i >= 0; i -= 1) context.lineTo(panel.x.at(x[i]), panel.y.at(Math.max(y[i], floor)))
    context.fill()
  }

  function axes(context, panel, width, height) {
    const style = getComputedStyle(root)
    const text = style.getPropertyValue("--st-gray-color").trim() || "#888"
    const line = style.getPropertyValue("--st-border-color").trim() || "#ddd"
    context.font = `11px ${style.fontFamily}`
    context.fillStyle = text
    context.strokeStyle = line
    context.lineWidth = 1
    context.textAlign = "right"
    context.textBaseline = "middle"
    for (const tick of niceTicks(panel.y, "number", Math.max(2, height / 42))) {
      const y = Math.round(panel.y.at(tick)) + 0.5
      context.beginPath()
      context.moveTo(PLOT.left, y)
      context.lineTo(width - PLOT.right, y)
      context.stroke()
      context.fillText(tickText(tick, "number"), PLOT.left - 6, y)
    }
    context.textBaseline = "top"
    const span = panel.x.high - panel.x.low
    let free = -Infinity
    for (const tick of niceTicks(shifted(panel.x, head.x.origin), head.x.kind, Math.max(2, width / 70), head.x.whole ? 1 : 0)) {
      const x = panel.x.at(tick - head.x.origin)
      const words = tickText(tick, head.x.kind, span)
      const half = context.measureText(words).width / 2
      if (x - half < free || x + half > width) continue
      free = x + half + 10
      context.textAlign = "center"
      context.fillText(words, x, height - PLOT.bottom + 8)
    }
  }

  // ---- pointer and keys

  function move(panel, event) {
    if (!panel.x) return
    const x = panel.x.back(event.offsetX)
    if (drag) drag.to = x
    hover = { panel, x, run: closest(panel, event.offsetX, event.offsetY), left: event.offsetX, top: event.offsetY }
    hoverSoon()
  }

  function drop(panel, event) {
    const dragged = drag
    drag = null
    if (!dragged) return
    if (Math.abs(event.offsetX - dragged.began) < DRAG) {
      const key = hover && hover.run >= 0 ? head.runs[hover.run].key : ""
      pinned = pinned === key ? "" : key
      return hoverSoon()
    }
    const ends = [dragged.from, panel.x.back(event.offsetX)].sort((a, b) => a - b)
    zoom([Math.max(ends[0], panel.range[0]), Math.min(ends[1], panel.range[1])])
  }

  function zoom(wanted) {
    if (!wanted && !range) return
    range = wanted
    // The cut curves would show an empty left and right: until Python has answered, the last whole ones do.
    if (!wanted && head.cut && whole) {
      head = { ...whole, revision: `${head.revision} whole` }
      build()
    }
    drawAll()
    board.send(wanted && wanted.map(x => x + head.x.origin))
  }

  function key(panel, event) {
    if (event.key === "Escape") return zoom(null)
    const way = { ArrowLeft: -1, ArrowRight: 1 }[event.key]
    if (!way || !panel.x) return
    event.preventDefault()
    const width = panel.over.clientWidth
    const from = hover?.panel === panel ? hover.left : (PLOT.left + width) / 2
    const left = Math.min(width - PLOT.right, Math.max(PLOT.left, from + way * (event.shiftKey ? 40 : 8)))
    const top = panel.over.clientHeight / 2
    hover = { panel, x: panel.x.back(left), run: closest(panel, left, top), left, top }
    hoverSoon()
    const rows = valuesAt(panel, hover.x)
    live.textContent = `${xText(hover.x)}: ${rows.slice(0, 3).map(row => `${head.runs[row.run].name} ${number(row.y)}`).join(", ")}`
  }

  function leave() {
    hover = null
    hoverSoon()
  }

  function highlight(key) {
    hover = null
    showOver(key)
  }

  function hoverSoon() {
    if (!frame) frame = requestAnimationFrame(() => { frame = 0; showOver("") })
  }

  // The runs' values at x, the largest first.
  function valuesAt(panel, x) {
    const reach = Math.abs(panel.x.back(PLOT.left + 8) - panel.x.back(PLOT.left))
    const rows = []
    for (const line of panel.model.lines) {
      if (line.kind !== LINE || !visible(line) || !line.x.length) continue
      if (x < line.x[0] - reach || x > line.x[line.x.length - 1] + reach) continue
      const i = nearest(line.x, x)
      if (Number.isFinite(line.y[i])) rows.push({ run: line.run, x: line.x[i], y: line.y[i] })
    }
    return rows.sort((a, b) => b.y - a.y)
  }

  function closest(panel, left, top) {
    let best = -1, least = Infinity
    for (const row of valuesAt(panel, panel.x.back(left))) {
      const away = Math.abs(panel.y.at(row.y) - top)
      if (away < least) [best, least] = [row.run, away]
    }
    return best
  }

  function showOver(key) {
    if (!head) return
    const wanted = key || pinned || (hover && hover.run >= 0 ? head.runs[hover.run].key : "")
    const run = head.runs.findIndex(run => run.key === wanted)
    for (const panel of panels) {
      if (!panel.x) continue
      const { over } = panel
      const width = over.clientWidth, height = over.clientHeight
      const context = prepared(over, width, height)
      if (drag) range_(context, panel, height)
      if (run >= 0 && (key || pinned || head.runs.length > 1)) bold(context, panel, run)
      if (hover) cross(context, panel, run, height)
    }
    fillList(run)
  }

  function range_(context, panel, height) {
    const [from, to] = [panel.x.at(drag.from), panel.x.at(drag.to)]
    context.fillStyle = getComputedStyle(root).getPropertyValue("--st-primary-color")
    context.globalAlpha = 0.15
    context.fillRect(Math.min(from, to), PLOT.top, Math.abs(to - from), height - PLOT.top - PLOT.bottom)
    context.globalAlpha = 1
  }

  function bold(context, panel, run) {
    context.save()
    context.beginPath()
    context.rect(PLOT.left, PLOT.top - 3, panel.over.clientWidth - PLOT.left - PLOT.right + 3, 1e4)
    context.clip()
    for (const line of panel.model.lines)
      if (line.run === run && line.kind === LINE && visible(line)) {
        context.lineJoin = "round"
        context.strokeStyle = getComputedStyle(root).getPropertyValue("--run-charts-surface")
        context.lineWidth = 6
        trace(context, panel, line)
        context.strokeStyle = context.fillStyle = colour(run)
        context.lineWidth = 3
        trace(context, panel, line)
      }
    context.restore()
  }

  function cross(context, panel, run, height) {
    const style = getComputedStyle(root)
    const left = panel.x.at(hover.x)
    context.strokeStyle = style.getPropertyValue("--st-gray-color")
    context.setLineDash([3, 3])
    context.beginPath()
    context.moveTo(left, PLOT.top)
    context.lineTo(left, height - PLOT.bottom)
    context.stroke()
    context.setLineDash([])
    const rows = valuesAt(panel, hover.x)
    for (const row of rows) {
      if (rows.length > ROWS && row.run !== run) continue
      context.fillStyle = colour(row.run)
      dot(context, panel.x.at(row.x), panel.y.at(row.y), row.run === run ? 4.5 : 3)
    }
    if (panel === hover.panel) return
    const own = rows.find(row => row.run === run)
    if (!own) return
    context.font = `600 11px ${style.fontFamily}`
    context.fillStyle = style.getPropertyValue("--st-text-color")
    const near = left > panel.over.clientWidth - 80
    context.textAlign = near ? "right" : "left"
    context.textBaseline = "bottom"
    context.fillText(number(own.y), left + (near ? -8 : 8), Math.max(PLOT.top + 12, panel.y.at(own.y) - 5))
  }

  function fillList(run) {
    list.hidden = !hover || !!drag
    if (list.hidden) return
    const rows = valuesAt(hover.panel, hover.x)
    const place = rows.findIndex(row => row.run === run)
    const first = rows.length <= ROWS ? 0 : Math.max(0, Math.min(place - ROWS / 2, rows.length - ROWS))
    list.replaceChildren(element("p", rows.length ? xText(rows[Math.max(0, place)].x) : xText(hover.x)))
    if (first > 0) list.append(element("small", `${first} above`))
    rows.slice(first, first + ROWS).forEach(row => {
      const line = document.createElement("div")
      line.toggleAttribute("data-lit", row.run === run)
      const mark = document.createElement("i")
      mark.style.background = colour(row.run)
      line.append(mark, element("span", head.runs[row.run].name), element("b", number(row.y)))
      list.append(line)
    })
    const below = rows.length - first - ROWS
    if (below > 0) list.append(element("small", `${below} below`))
    const frame = root.getBoundingClientRect(), box = hover.panel.over.getBoundingClientRect()
    const left = box.left - frame.left + hover.left, top = box.top - frame.top + hover.top
    const right = left + 16 + list.offsetWidth > frame.width
    list.style.left = `${Math.max(0, right ? left - 16 - list.offsetWidth : left + 16)}px`
    list.style.top = `${Math.max(0, Math.min(top - 20, frame.height - list.offsetHeight))}px`
  }

  function xText(x) {
    const value = x + head.x.origin
    if (head.x.kind === "time") return `${new Date(value * 1000).toISOString().slice(0, 19).replace("T", " ")} UTC`
    return `${head.x.title} ${head.x.kind === "duration" ? lengthText(value) : Number(value.toPrecision(7))}`
  }

  function colour(run) {
    if (colour.of !== look) {
      colour.of = look
      colour.all = getComputedStyle(root).getPropertyValue("--st-chart-categorical-colors").split(",").map(c => c.trim())
    }
    return colour.all[head.runs[run].colour % colour.all.length]
  }

  const watcher = new IntersectionObserver(entries => {
    for (const { target, isIntersecting } of entries) {
      const panel = panels.find(panel => panel.figure === target)
      if (panel) isIntersecting ? seen.add(panel) : seen.delete(panel)
    }
  })
  let width = root.clientWidth
  const observer = new ResizeObserver(() => {
    if (!head || root.clientWidth === width) return
    width = root.clientWidth
    drawAll()
  })
  observer.observe(root)
  reset.onclick = () => zoom(null)

  function close() {
    observer.disconnect()
    watcher.disconnect()
    cancelAnimationFrame(frame)
    clearTimeout(rest)
  }
  return board
}

function revisionOf(bytes) {
  // The header begins with it: {"revision":"0123456789abcdef", ...
  return new TextDecoder().decode(bytes.subarray(17, 33))
}

function shifted(scale, origin) {
  return { ...scale, low: scale.low + origin, high: scale.high + origin }
}

function element(name, text) {
  const made = document.createElement(name)
  made.textContent = text // names are data: never HTML
  return made
}

function dot(context, x, y, radius) {
  context.beginPath()
  context.arc(x, y, radius, 0, 7)
  context.fill()
}

function star(context, x, y, fill) {
  context.beginPath()
  for (let i = 0; i < 10; i += 1) {
    const radius = i % 2 ? 3 : 7, angle = (i * Math.PI) / 5 - Math.PI / 2
    context.lineTo(x + radius * Math.cos(angle), y + radius * Math.sin(angle))
  }
  context.closePath()
  context.fillStyle = fill
  context.fill()
}

// The canvas in device pixels and empty, its context in CSS pixels.
function prepared(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)]
  if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h]
  const context = canvas.getContext("2d")
  context.setTransform(ratio, 0, 0, ratio, 0, 0)
  context.clearRect(0, 0, width, height)
  return context
}
