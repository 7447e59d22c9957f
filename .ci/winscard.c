/* A winscard.dll with one reader, whose card comes or leaves after every quarter
 * of a second that somebody waits for it. It reads a reader's name again when the
 * wait is over, as a service may. */
#define WINSCARDAPI __declspec(dllexport)
#define WINSCARDDATA __declspec(dllexport)
#include <winscard.h>
#include <string.h>

const SCARD_IO_REQUEST g_rgSCardT0Pci = {1, 8}, g_rgSCardT1Pci = {2, 8};

static const WCHAR names[] = L"Desk 0\0";
static volatile LONG card, waited, cancelled;

LONG WINAPI SCardEstablishContext(DWORD scope, LPCVOID a, LPCVOID b, LPSCARDCONTEXT context) {
	*context = 100;
	return scope == SCARD_SCOPE_SYSTEM ? 0 : SCARD_E_INVALID_VALUE;
}

LONG WINAPI SCardReleaseContext(SCARDCONTEXT context) { return 0; }

LONG WINAPI SCardCancel(SCARDCONTEXT context) {
	cancelled = 1;
	return context == 100 ? 0 : SCARD_E_INVALID_HANDLE;
}

LONG WINAPI SCardListReadersW(SCARDCONTEXT context, LPCWSTR groups, LPWSTR buf, LPDWORD n) {
	if (buf)
		memcpy(buf, names, sizeof names);
	*n = sizeof names / sizeof *names;
	return 0;
}

LONG WINAPI SCardGetStatusChangeW(SCARDCONTEXT context, DWORD limit, LPSCARD_READERSTATEW r, DWORD n) {
	if (context != 100 || n != 1)
		return SCARD_E_INVALID_VALUE;
	cancelled = 0;
	for (DWORD i = 0; ; i++) {
		DWORD now = card << 16 | (card & 1 ? SCARD_STATE_PRESENT : SCARD_STATE_EMPTY);
		if (lstrcmpW(r->szReader, names))
			return SCARD_E_UNKNOWN_READER;
		if (r->dwCurrentState != now) {
			r->dwEventState = now | SCARD_STATE_CHANGED;
			r->cbAtr = card & 1 ? 5 : 0;
			memcpy(r->rgbAtr, "\x3B\x80\x80\x01\x01", 5);
			return 0;
		}
		if (cancelled)
			return SCARD_E_CANCELLED;
		if (i >= limit)
			return SCARD_E_TIMEOUT;
		Sleep(1);
		if (InterlockedIncrement(&waited) % 250 == 0)
			InterlockedIncrement(&card);
	}
}
