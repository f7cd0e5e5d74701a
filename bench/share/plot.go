package share

import (
	"bytes"
	"fmt"
	"io"
	"slices"
)

// The picture's size and the room around the plot, in pixels.
const (
	width, height        = 760, 460
	left, right          = 70, 150
	top, bottom          = 50, 60
	plotWidth            = width - left - right
	plotHeight           = height - top - bottom
	background, ink      = "#ffffff", "#222222"
	faint, expectedColor = "#d8d8d8", "#888888"
)

var colors = []string{"#0b6fa4", "#c2410c", "#3f7d20", "#7c3aed"}

// WritePlot draws the share of a CPU against memory as an SVG picture: a line for
// what is due, and a point for each guest.
func (r *Report) WritePlot(w io.Writer) error {
	var b bytes.Buffer
	mostMB := float64(slices.Max(r.Config.MemoryMB))
	x := func(mb float64) float64 { return left + plotWidth*mb/mostMB }
	y := func(share float64) float64 { return top + plotHeight*(1-min(share, 1.1)/1.1) }
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n", width, height, width, height)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" fill="%s"/>`+"\n", background)
	text := func(x, y float64, anchor, fill, content string) {
		fmt.Fprintf(&b, `<text x="%.1f" y="%.1f" text-anchor="%s" fill="%s">%s</text>`+"\n", x, y, anchor, fill, content)
	}
	line := func(x1, y1, x2, y2 float64, stroke, dash string) {
		fmt.Fprintf(&b, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s" stroke-dasharray="%s"/>`+"\n", x1, y1, x2, y2, stroke, dash)
	}
	fmt.Fprintf(&b, `<text x="%d" y="28" font-size="16" fill="%s">CPU share of spinning guests, by memory size (%v each)</text>`+"\n", left, ink, r.Config.Duration)
	for share := 0.0; share <= 1.01; share += 0.2 {
		line(left, y(share), width-right, y(share), faint, "none")
		text(left-8, y(share)+4, "end", ink, fmt.Sprintf("%.1f", share))
	}
	for _, mb := range r.Config.MemoryMB {
		line(x(float64(mb)), y(0), x(float64(mb)), y(0)+5, ink, "none")
		text(x(float64(mb)), y(0)+20, "middle", ink, fmt.Sprint(mb))
	}
	text(left+plotWidth/2, height-15, "middle", ink, "MemorySize, MB")
	fmt.Fprintf(&b, `<text transform="translate(20 %d) rotate(-90)" text-anchor="middle" fill="%s">CPUs</text>`+"\n", top+plotHeight/2, ink)
	full := min(mostMB, memoryPerCPU)
	line(x(0), y(0), x(full), y(full/memoryPerCPU), expectedColor, "5 4")
	line(x(full), y(full/memoryPerCPU), x(mostMB), y(full/memoryPerCPU), expectedColor, "5 4")
	text(width-right+12, top+10, "start", expectedColor, "- - by memory")
	for n, guests := range r.Config.Guests {
		color := colors[n%len(colors)]
		for _, row := range r.Rows {
			if row.Guests != guests {
				continue
			}
			for _, got := range row.Got {
				fmt.Fprintf(&b, `<circle cx="%.1f" cy="%.1f" r="4" fill="%s" fill-opacity="0.55"/>`+"\n", x(float64(row.MemoryMB))+float64(6*n), y(got), color)
			}
		}
		fmt.Fprintf(&b, `<circle cx="%d" cy="%d" r="4" fill="%s"/>`+"\n", width-right+18, top+26+20*n, color)
		text(width-right+28, float64(top+30+20*n), "start", ink, fmt.Sprintf("%d at once", guests))
	}
	b.WriteString("</svg>\n")
	_, err := b.WriteTo(w)
	return err
}
