package catalogue

func crashChild(string) {}
