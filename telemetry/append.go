package telemetry

// Encoding is how a reader has events written.
type Encoding struct {
	Schema Schema
	// Source has the event's source told beside its record: see [Event.EncodeFrom].
	Source bool
	// Separator stands behind each text.
	Separator byte
}

// class is a bit for the encodings that write the same text, 0 for none.
func (enc Encoding) class() uint16 {
	schemas := [...]Schema{Schema20220701, Schema20221213, Schema20250129, LogsSchema20200815, LogsSchema20210318}
	for i, s := range schemas {
		if s == enc.Schema && enc.Source {
			return 1 << (len(schemas) + i)
		}
		if s == enc.Schema {
			return 1 << i
		}
	}
	return 0
}

// Append appends what a reader has of the event, as JSON without line breaks:
// none, one or two texts (see [Event.Forms]), each followed by the separator. To
// ends it appends where each text ends, its separator not included. After an error
// dst and ends are as they were.
func (e Event) Append(dst []byte, ends []int, as Encoding) ([]byte, []int, error) {
	if e.shared != nil {
		if t := e.shared.of(as.class()); t != nil {
			return t.append(dst, ends, e, as)
		}
	}
	return e.appendForms(dst, ends, as)
}

func (e Event) appendForms(dst []byte, ends []int, as Encoding) ([]byte, []int, error) {
	if !as.Schema.Logs() {
		return e.appendForm(dst, ends, as)
	}
	out, outEnds := dst, ends
	for _, form := range e.Forms(as.Schema) {
		var err error
		if out, outEnds, err = form.appendForm(out, outEnds, as); err != nil {
			return dst, ends, err
		}
	}
	return out, outEnds, nil
}

func (e Event) appendForm(dst []byte, ends []int, as Encoding) ([]byte, []int, error) {
	var source *Source
	if as.Source {
		source = e.Source
	}
	out, err := e.append(dst, as.Schema, source)
	if err != nil {
		return dst, ends, err
	}
	return append(out, as.Separator), append(ends, len(out)), nil
}
