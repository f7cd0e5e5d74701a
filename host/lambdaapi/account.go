package lambdaapi

// AccountSettings is the answer of GetAccountSettings.
type AccountSettings struct {
	AccountLimit AccountLimit `json:"AccountLimit"`
	AccountUsage AccountUsage `json:"AccountUsage"`
}

// AccountLimit tells the limits; sizes are in bytes.
type AccountLimit struct {
	TotalCodeSize                  int64 `json:"TotalCodeSize"`
	CodeSizeUnzipped               int64 `json:"CodeSizeUnzipped"`
	CodeSizeZipped                 int64 `json:"CodeSizeZipped"`
	ConcurrentExecutions           int   `json:"ConcurrentExecutions"`
	UnreservedConcurrentExecutions int   `json:"UnreservedConcurrentExecutions"`
}

// AccountUsage tells what is in use; the size is in bytes.
type AccountUsage struct {
	TotalCodeSize int64 `json:"TotalCodeSize"`
	FunctionCount int   `json:"FunctionCount"`
}

// TagsDocument is the request of TagResource and the answer of ListTags.
type TagsDocument struct {
	Tags map[string]string `json:"Tags"`
}

// Validate holds the request of TagResource against the API model.
func (d *TagsDocument) Validate() error {
	var v Violations
	if d.Tags == nil {
		v.Missing("tags")
	}
	return v.Err()
}

// InvokeAsyncResponse is the answer of the legacy InvokeAsync.
type InvokeAsyncResponse struct {
	Status int `json:"Status"`
}
