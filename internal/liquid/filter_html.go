package liquid

import "strings"

var (
	escaper   = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&#34;", "'", "&#39;")
	unescaper = strings.NewReplacer("&amp;", "&", "&lt;", "<", "&gt;", ">", "&#34;", `"`, "&#39;", "'")
)

func escape(r *run, v any, _ []any) any {
	s := r.text(v)
	return r.escaped(s)
}

// escapeOnce escapes what is not escaped already.
func escapeOnce(r *run, v any, _ []any) any {
	s, ok := r.input(v)
	if !ok {
		return undefined
	}
	return r.escaped(unescaper.Replace(s))
}

func (r *run) escaped(s string) any {
	n := 0
	for i := range len(s) {
		switch s[i] {
		case '&', '<', '>', '"', '\'':
			n++
		}
	}
	if !r.use(len(s) + 4*n) {
		return undefined
	}
	return escaper.Replace(s)
}

// htmlBlocks are what stripHTML takes out: what starts with the first and ends with the second, the first that fits.
var htmlBlocks = [...][2]string{{"<script", "</script>"}, {"<style", "</style>"}, {"<!--", "-->"}, {"<", ">"}}

// stripHTML takes out scripts, styles, comments and tags. A block that is not closed is left, up to the next that fits.
func stripHTML(r *run, v any, _ []any) any {
	s, ok := r.input(v)
	if !ok {
		return undefined
	}
	out := make([]byte, 0, len(s))
	var open [len(htmlBlocks)]bool // kinds that are known not to be closed from here on
	for s != "" {
		at := strings.IndexByte(s, '<')
		if at < 0 {
			break
		}
		out = append(out, s[:at]...)
		s = s[at:]
		taken := 0
		for i, block := range htmlBlocks {
			if open[i] || !strings.HasPrefix(s, block[0]) {
				continue
			}
			end := strings.Index(s[len(block[0]):], block[1])
			if end >= 0 {
				taken = len(block[0]) + end + len(block[1])
				break
			}
			open[i] = true
		}
		if taken == 0 {
			break
		}
		s = s[taken:]
	}
	return rejoin(string(append(out, s...)))
}
