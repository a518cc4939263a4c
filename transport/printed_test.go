package transport

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
)

// printed returns a value as all that print know to show it: fmt with every verb and the flags that matter, encoding/json, and
// slog's two handlers, for the value alone and within others.
func printed(v any) []string {
	// An enclosing struct, since methods of unexported fields are not called.
	type exported struct{ V any }
	type unexported struct{ v any }
	type nested struct{ inner *unexported }
	forms := []any{v, exported{v}, &exported{v}, unexported{v}, &unexported{v}, nested{&unexported{v}}, []any{v}, map[string]any{"v": v}}
	var out []string
	for _, form := range forms {
		for _, verb := range "vdsqxXtbcoOUeEfFgGpT" {
			for _, flag := range []string{"", "+", "#", " "} {
				out = append(out, fmt.Sprintf("%"+flag+string(verb), form))
			}
		}
		out = append(out, fmt.Sprint(form), fmt.Sprintln(form))
		if text, err := json.Marshal(form); err == nil {
			out = append(out, string(text))
		}
		var buf bytes.Buffer
		for _, h := range []slog.Handler{slog.NewJSONHandler(&buf, nil), slog.NewTextHandler(&buf, nil)} {
			slog.New(h).Info("message", "v", form, slog.Group("g", "v", form))
		}
		out = append(out, buf.String())
	}
	return out
}

// dump returns all texts that can be reached from v by reflection, as a dumper that follows pointers into unexported fields does.
func dump(v any) []string {
	d := dumper{seen: map[visit]bool{}}
	d.walk(reflect.ValueOf(v), 0)
	return d.texts
}

type visit struct {
	at   uintptr
	kind reflect.Type
}

type dumper struct {
	seen  map[visit]bool
	texts []string
}

func (d *dumper) walk(v reflect.Value, depth int) {
	if depth > 40 || !v.IsValid() {
		return
	}
	switch v.Kind() {
	case reflect.String:
		d.texts = append(d.texts, v.String())
	case reflect.Pointer:
		if v.IsNil() || d.seen[visit{v.Pointer(), v.Type()}] {
			return
		}
		d.seen[visit{v.Pointer(), v.Type()}] = true
		d.walk(v.Elem(), depth+1)
	case reflect.Interface:
		d.walk(v.Elem(), depth+1)
	case reflect.Struct:
		for i := range v.NumField() {
			d.walk(v.Field(i), depth+1)
		}
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			d.walk(it.Key(), depth+1)
			d.walk(it.Value(), depth+1)
		}
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			text := make([]byte, v.Len())
			for i := range text {
				text[i] = byte(v.Index(i).Uint())
			}
			d.texts = append(d.texts, string(text))
			return
		}
		for i := range v.Len() {
			d.walk(v.Index(i), depth+1)
		}
	}
}
