package telemetry

// Append appends what a reader of the schema has of the event, as JSON without
// line breaks: none, one or two texts (see [Event.Forms]), each followed by
// separator. To ends it appends where each text ends, its separator not included.
// After an error dst and ends are as they were.
func (e Event) Append(dst []byte, ends []int, s Schema, separator byte) ([]byte, []int, error) {
	out, outEnds := dst, ends
	for _, form := range e.Forms(s) {
		encoded, err := form.Encode(s)
		if err != nil {
			return dst, ends, err
		}
		out = append(out, encoded...)
		outEnds = append(outEnds, len(out))
		out = append(out, separator)
	}
	return out, outEnds, nil
}
