package telemetry

// Encoding is how a reader has events written.
type Encoding struct {
	Schema Schema
	// Source has the event's source told beside its record: see [Event.EncodeFrom].
	Source bool
	// Separator stands behind each text.
	Separator byte
}

// Append appends what a reader has of the event, as JSON without line breaks:
// none, one or two texts (see [Event.Forms]), each followed by the separator. To
// ends it appends where each text ends, its separator not included. After an error
// dst and ends are as they were.
func (e Event) Append(dst []byte, ends []int, as Encoding) ([]byte, []int, error) {
	out, outEnds := dst, ends
	for _, form := range e.Forms(as.Schema) {
		var source *Source
		if as.Source {
			source = form.Source
		}
		encoded, err := form.encode(as.Schema, source)
		if err != nil {
			return dst, ends, err
		}
		out = append(out, encoded...)
		outEnds = append(outEnds, len(out))
		out = append(out, as.Separator)
	}
	return out, outEnds, nil
}
