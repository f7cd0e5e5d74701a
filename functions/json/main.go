// Command json does what most functions do: decode about a kilobyte of JSON,
// change something in it, and encode it again. It exists to be measured.
package main

import (
	"context"

	"github.com/aws/aws-lambda-go/lambda"
)

type order struct {
	ID       string            `json:"id"`
	Customer map[string]string `json:"customer,omitempty"`
	Lines    []line            `json:"lines"`
	Notes    []string          `json:"notes,omitempty"`
	Total    float64           `json:"total"`
}

type line struct {
	SKU      string  `json:"sku"`
	Quantity int     `json:"quantity"`
	Price    float64 `json:"price"`
}

// total sums the lines and leaves a note; what the caller sent as total is
// overwritten.
func total(_ context.Context, in order) (order, error) {
	in.Total = 0
	for _, l := range in.Lines {
		in.Total += float64(l.Quantity) * l.Price
	}
	in.Notes = append(in.Notes, "totalled")
	return in, nil
}

func main() { lambda.Start(total) }
