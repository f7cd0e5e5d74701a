// Command counter shows that an environment is kept: its globals live on from
// one invocation to the next, as in Lambda. It answers {"count":N}, where N
// counts the invocations of this one environment.
package main

import "github.com/aws/aws-lambda-go/lambda"

type state struct {
	Count int `json:"count"`
}

var invocations state

func main() {
	lambda.Start(func() (state, error) {
		invocations.Count++
		return invocations, nil
	})
}
