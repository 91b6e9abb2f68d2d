// What is wrong with the look of a page. Runs within the page.

/** Faults against the rules of WCAG 2.2 that a program can check, in words. */
export function faults() {
  const found = []
  const numbers = (color) => color.match(/[\d.]+/g).map(Number)
  const background = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = numbers(getComputedStyle(at).backgroundColor)
      if (color[3] !== 0) return color
    }
    return [255, 255, 255]
  }
  const luminance = (color) => {
    const [red, green, blue] = color
      .slice(0, 3)
      .map((value) => value / 255)
      .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
  }
  const contrast = (one, other) => {
    const [dark, bright] = [luminance(one), luminance(other)].sort((a, b) => a - b)
    return (bright + 0.05) / (dark + 0.05)
  }
  const needs = (least, what, color, ground) => {
    const ratio = contrast(numbers(color), ground)
    if (ratio < least) found.push(`${what}: contrast ${ratio.toFixed(2)} instead of ${least}`)
  }

  const elements = [...document.querySelectorAll('body *')]
  for (const element of elements) {
    const has = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim())
    // 1.4.3
    if (has) needs(4.5, element.textContent.trim().slice(0, 30), getComputedStyle(element).color, background(element))
  }
  for (const input of document.querySelectorAll('input:not([type=hidden])')) {
    // 1.3.1, 4.1.2
    if (!input.labels.length) found.push(`${input.name} has no label`)
    if (input.type === 'checkbox') continue
    // 1.4.11, and 1.4.3 for what stands in an empty field
    needs(3, `border of ${input.name}`, getComputedStyle(input).borderTopColor, background(input))
    needs(4.5, `placeholder of ${input.name}`, getComputedStyle(input, '::placeholder').color, background(input))
  }
  // 2.5.8
  for (const target of document.querySelectorAll('button, input:not([type=hidden]), label:has(input)')) {
    const { height } = target.getBoundingClientRect()
    const small = target.type === 'checkbox' ? target.closest('label').getBoundingClientRect().height < 24 : height < 24
    if (small) found.push(`${target.name || target.textContent.trim()} is less than 24 pixels high`)
  }
  // A code that is compared with another one is not broken over two lines.
  for (const code of document.querySelectorAll('strong.user-code')) {
    if (code.getClientRects().length !== 1) found.push(`${code.textContent} is broken`)
  }
  // 1.4.10
  if (document.documentElement.scrollWidth > innerWidth) found.push('it is wider than the screen')
  // 2.4.2, 3.1.1, 1.3.1
  if (!document.title) found.push('no title')
  if (!document.documentElement.lang) found.push('no language')
  if (document.querySelectorAll('h1').length !== 1) found.push('not one heading')
  return found
}
