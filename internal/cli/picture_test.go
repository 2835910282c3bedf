package cli

import (
	"fmt"
	"html"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"charm.land/lipgloss/v2"
)

// TestPicture draws the README's picture: the view of a rollout at 50 %, as a terminal shows it.
func TestPicture(t *testing.T) {
	g := moments(t)["half"]
	golden(t, filepath.Join("..", "..", "docs", "live-view.svg"), svg("teal deploy", render(g.s, g.now.Add(82*time.Second), painter{colour: true})))
}

// The picture's measures, in pixels: a character of a monospaced font is six tenths of its size wide.
const (
	fontSize   = 14.0
	charWidth  = fontSize * 0.6
	lineHeight = 21.0
	margin     = 24.0
	titleBar   = 36.0
)

// svg draws lines of text with ANSI colours as a terminal's window. Every run of one style has its own place, so that the
// columns stand below each other whatever monospaced font there is.
func svg(title string, lines []string) string {
	columns := 0
	for _, l := range lines {
		columns = max(columns, lipgloss.Width(l))
	}
	width, height := float64(columns)*charWidth+2*margin, titleBar+float64(len(lines))*lineHeight+margin
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%.0f" height="%.0f" viewBox="0 0 %.0f %.0f" role="img" aria-label="The live view of a rollout at 50 percent">`+"\n", width, height, width, height)
	b.WriteString(`<rect width="100%" height="100%" rx="10" fill="#14171f"/>` + "\n")
	for i, colour := range []string{"#ff5f57", "#febc2e", "#28c840"} {
		fmt.Fprintf(&b, `<circle cx="%d" cy="18" r="6" fill="%s"/>`+"\n", 24+20*i, colour)
	}
	fmt.Fprintf(&b, `<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="%.0f" fill="#d5dae5" xml:space="preserve">`+"\n", fontSize)
	fmt.Fprintf(&b, `<text x="%.1f" y="22.5" text-anchor="middle" fill="#7d8597">%s</text>`+"\n", width/2, html.EscapeString(title))
	for i, l := range lines {
		if l == "" {
			continue
		}
		baseline := titleBar + float64(i+1)*lineHeight
		x := margin
		var texts strings.Builder
		for _, r := range styled(l) {
			w := float64(lipgloss.Width(r.text)) * charWidth
			if fill, ok := blocks(r); ok { // glyphs of blocks leave gaps between lines and differ between fonts: draw them
				fmt.Fprintf(&b, `<rect x="%.1f" y="%.1f" width="%.1f" height="12"%s/>`+"\n", x, baseline-11, w, fill)
			} else if text := strings.TrimSpace(r.text); text != "" {
				lead := r.text[:strings.Index(r.text, text)]
				fmt.Fprintf(&texts, `<tspan x="%.1f" textLength="%.1f"%s>%s</tspan>`, x+float64(lipgloss.Width(lead))*charWidth,
					float64(lipgloss.Width(text))*charWidth, r.attributes(), html.EscapeString(text))
			}
			x += w
		}
		if texts.Len() > 0 {
			fmt.Fprintf(&b, `<text y="%.1f" lengthAdjust="spacingAndGlyphs">%s</text>`+"\n", baseline, texts.String())
		}
	}
	b.WriteString("</g>\n</svg>\n")
	return b.String()
}

// stretch is text in one style.
type stretch struct {
	text        string
	colour      string // of the 256; empty for the usual one
	bold, faint bool
}

var palette = map[string]string{"39": "#3fa9ff", "42": "#2fd58c", "203": "#ff6b6b", "221": "#ffd75f"}

func (r stretch) attributes() string {
	var a string
	if r.colour != "" {
		a += ` fill="` + palette[r.colour] + `"`
	}
	if r.bold {
		a += ` font-weight="bold"`
	}
	if r.faint {
		a += ` fill="#7d8597"`
	}
	return a
}

// blocks reports whether a stretch is part of a bar.
func blocks(r stretch) (attributes string, ok bool) {
	switch {
	case r.text == "" || strings.Trim(r.text, "█░") != "":
		return "", false
	case strings.HasPrefix(r.text, "░"):
		return r.attributes() + ` fill-opacity="0.45"`, true
	}
	return r.attributes(), true
}

// styled cuts a line at its ANSI sequences.
func styled(line string) (out []stretch) {
	now := stretch{}
	for line != "" {
		before, rest, found := strings.Cut(line, "\x1b[")
		if before != "" {
			r := now
			r.text = before
			out = append(out, r)
		}
		if !found {
			break
		}
		codes, after, _ := strings.Cut(rest, "m")
		line = after
		all := strings.Split(codes, ";")
		for i := 0; i < len(all); i++ {
			switch n, _ := strconv.Atoi(all[i]); {
			case n == 0:
				now = stretch{}
			case n == 1:
				now.bold = true
			case n == 2:
				now.faint = true
			case n == 38 && i+2 < len(all):
				now.colour = all[i+2]
				i += 2
			}
		}
	}
	return out
}
