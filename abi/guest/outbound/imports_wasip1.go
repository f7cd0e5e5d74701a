package outbound

import "unsafe"

//go:wasmimport lambent_v1 http_send
//go:noescape
func importHTTPSend(head unsafe.Pointer, headLen uint32, body unsafe.Pointer, bodyLen uint32) int32

//go:wasmimport lambent_v1 http_read
//go:noescape
func importHTTPRead(part uint32, ptr unsafe.Pointer, capacity, offset uint32) int32

func pointer(b []byte) unsafe.Pointer {
	if len(b) == 0 {
		return nil
	}
	return unsafe.Pointer(&b[0])
}

func httpSend(head, body []byte) int32 {
	return importHTTPSend(pointer(head), uint32(len(head)), pointer(body), uint32(len(body)))
}

func httpRead(part uint32, into []byte, offset int) int32 {
	return importHTTPRead(part, pointer(into), uint32(len(into)), uint32(offset))
}
