// Axes of the run charts: where a value lies, which ticks are round, how numbers are written. Pure functions.
const SPANS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800]

function scaleOf(log, low, high, from, to) {
  const bend = log ? Math.log10 : value => value
  const first = bend(low), width = bend(high) - first || 1
  return {
    log, low, high,
    at: value => from + ((bend(value) - first) / width) * (to - from),
    back: place => {
      const value = first + ((place - from) / (to - from)) * width
      return log ? 10 ** value : value
    },
  }
}

// Room on both sides, and a width where all values are one.
function padded(low, high, log, share) {
  if (!(low <= high)) return log ? [0.1, 1] : [0, 1]
  if (log) {
    const room = Math.max((Math.log10(high) - Math.log10(low)) * share, low === high ? 0.3 : 0)
    return [low / 10 ** room, high * 10 ** room]
  }
  const room = (high - low) * share || Math.abs(high) * 0.1 || 1
  return [low - room, high + room]
}

// `least` is the smallest distance between two ticks: 1 where only whole numbers mean anything.
function niceTicks(scale, kind, count, least = 0) {
  const { low, high } = scale
  if (scale.log) return logTicks(low, high)
  const rough = Math.max((high - low) / count, least)
  let step = 10 ** Math.floor(Math.log10(rough))
  if (kind === "number" || rough < 1) step *= [1, 2, 5, 10].find(part => part * step >= rough * 0.999)
  else step = SPANS.find(span => span >= rough) ?? Math.ceil(rough / 604800) * 604800
  const ticks = []
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9 && ticks.length < 50; i += 1) ticks.push(i * step)
  return ticks
}

function logTicks(low, high) {
  const decades = Math.log10(high) - Math.log10(low)
  const parts = decades < 1.2 ? [1, 2, 3, 5] : decades < 3 ? [1, 3] : [1]
  const every = Math.max(1, Math.ceil(decades / 6))
  const ticks = []
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += 1) {
    if (power % every) continue
    for (const part of parts) {
      const tick = part * 10 ** power
      if (tick >= low * 0.9999 && tick <= high * 1.0001) ticks.push(tick)
    }
  }
  return ticks
}

function number(value) {
  if (!Number.isFinite(value)) return "–"
  const size = Math.abs(value)
  if (size !== 0 && (size < 1e-3 || size >= 1e6)) return value.toExponential(2).replace(/\.?0+e/, "e").replace("e+", "e")
  return String(Number(value.toPrecision(size >= 1000 ? 6 : 4)))
}

function tickText(value, kind, span) {
  if (kind === "duration") return lengthText(value)
  if (kind === "time") return clockText(value, span)
  const size = Math.abs(value)
  if (size >= 1e4 && size < 1e6) return `${Number((value / 1000).toPrecision(4))}k`
  if (size >= 1e6 && size < 1e9) return `${Number((value / 1e6).toPrecision(4))}M`
  return number(value)
}

function lengthText(seconds) {
  const sign = seconds < 0 ? "-" : ""
  const whole = Math.abs(seconds)
  if (whole < 60) return `${sign}${Number(whole.toPrecision(3))} s`
  if (whole < 3600) return pair(sign, whole, 60, "min", 1, "s")
  if (whole < 86400) return pair(sign, whole, 3600, "h", 60, "min")
  return pair(sign, whole, 86400, "d", 3600, "h")
}

function pair(sign, whole, large, largeUnit, small, smallUnit) {
  const first = Math.floor(whole / large), rest = Math.round((whole - first * large) / small)
  return `${sign}${first} ${largeUnit}${rest ? ` ${rest} ${smallUnit}` : ""}`
}

function clockText(seconds, span) {
  const told = new Date(seconds * 1000).toISOString()
  if (span > 2 * 86400) return told.slice(5, 10)
  return span > 600 ? told.slice(11, 16) : told.slice(11, 19)
}

// The index of the value nearest to `wanted` in ascending `xs`; -1 for none.
function nearest(xs, wanted) {
  let low = 0, high = xs.length - 1
  if (high < 0) return -1
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if (xs[middle] < wanted) low = middle
    else high = middle
  }
  return Math.abs(xs[low] - wanted) <= Math.abs(xs[high] - wanted) ? low : high
}
