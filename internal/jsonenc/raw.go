package jsonenc

import (
	"encoding/json"
	"unicode/utf8"
)

func appendRawMessage(dst []byte, raw json.RawMessage, depth int) ([]byte, error) {
	if raw == nil {
		return append(dst, "null"...), nil
	}
	if !json.Valid(raw) {
		return dst, &Error{Reason: notJSON}
	}
	return appendJSON(dst, raw, depth)
}

// appendJSON appends text, which is valid JSON, without white space between its tokens and with U+FFFD for what is not UTF-8.
// encoding/json would let through both bad UTF-8 and 10,000 levels.
func appendJSON(dst, text []byte, depth int) ([]byte, error) {
	inString := false
	for i := 0; i < len(text); i++ {
		b := text[i]
		switch {
		case b >= utf8.RuneSelf:
			r, size := utf8.DecodeRune(text[i:])
			dst = utf8.AppendRune(dst, r)
			i += size - 1
			continue
		case inString && b == '\\':
			dst = append(dst, b)
			i++
			b = text[i]
		case b == '"':
			inString = !inString
		case inString:
		case b == ' ', b == '\n', b == '\r', b == '\t':
			continue
		case b == '{', b == '[':
			if depth++; depth > MaxDepth {
				return dst, &Error{Reason: tooDeep}
			}
		case b == '}', b == ']':
			depth--
		}
		dst = append(dst, b)
	}
	return dst, nil
}
