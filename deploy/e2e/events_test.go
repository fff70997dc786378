package e2e

import (
	"bufio"
	"io"
	"iter"
	"strings"
)

// event is one of an event stream.
type event struct{ id, kind, data string }

// events reads an event stream, as the HTML standard has it, until it ends. What comes after the last blank line is no event.
func events(stream io.Reader) iter.Seq[event] {
	return func(yield func(event) bool) {
		lines := bufio.NewReader(stream)
		var e event
		var data []string
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				return
			}
			field, value, _ := strings.Cut(strings.TrimRight(line, "\r\n"), ":")
			value = strings.TrimPrefix(value, " ")
			switch field {
			case "id":
				e.id = value
			case "event":
				e.kind = value
			case "data":
				data = append(data, value)
			case "":
				if line != "\n" && line != "\r\n" {
					continue // a comment
				}
				e.data = strings.Join(data, "\n")
				if data != nil && !yield(e) {
					return
				}
				e, data = event{}, nil
			}
		}
	}
}
