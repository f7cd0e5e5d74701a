package async

func crashChild(string) {}
