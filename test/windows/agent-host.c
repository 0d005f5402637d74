/*
 * Starts a program on Windows as the agent of Azure Pipelines does: output on Win32 pipes, a console of its own that nobody
 * sees, nothing to read. Hands its output on, and presses Ctrl-C in its console once a file appears.
 *
 *   agent-host <cancel file> <program> <arguments>
 */
#include <windows.h>

#define LOOK_EVERY 50 /* milliseconds */

static HANDLE output;

static DWORD WINAPI hand_on(void *pipe)
{
    char buffer[65536];
    DWORD got, put;
    while (ReadFile(pipe, buffer, sizeof buffer, &got, NULL) && got > 0)
        WriteFile(output, buffer, got, &put, NULL);
    return 0;
}

/* Takes the first word off a command line, and its quotation marks. */
static WCHAR *next_word(WCHAR **line)
{
    WCHAR *word = *line, end = L' ';
    if (*word == L'"') { end = L'"'; word++; }
    WCHAR *at = word;
    while (*at && *at != end) at++;
    if (*at) *at++ = 0;
    while (*at == L' ') at++;
    *line = at;
    return word;
}

static void press_ctrl_c(DWORD process)
{
    FreeConsole();
    if (!AttachConsole(process)) return;
    SetConsoleCtrlHandler(NULL, TRUE);
    GenerateConsoleCtrlEvent(CTRL_C_EVENT, 0);
}

int wmain(void)
{
    WCHAR *line = GetCommandLineW();
    next_word(&line);
    WCHAR *cancel_file = next_word(&line);
    output = GetStdHandle(STD_OUTPUT_HANDLE);

    SECURITY_ATTRIBUTES inherited = {sizeof inherited, NULL, TRUE};
    HANDLE out_read, out_write, err_read, err_write;
    if (!CreatePipe(&out_read, &out_write, &inherited, 0) || !CreatePipe(&err_read, &err_write, &inherited, 0))
        return 121;
    SetHandleInformation(out_read, HANDLE_FLAG_INHERIT, 0);
    SetHandleInformation(err_read, HANDLE_FLAG_INHERIT, 0);

    STARTUPINFOW start = {.cb = sizeof start, .dwFlags = STARTF_USESTDHANDLES};
    start.hStdInput = CreateFileW(L"NUL", GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE, &inherited, OPEN_EXISTING, 0, NULL);
    start.hStdOutput = out_write;
    start.hStdError = err_write;
    PROCESS_INFORMATION child;
    /* This process ignores no Ctrl-C yet, so that the child does not inherit that. */
    SetConsoleCtrlHandler(NULL, FALSE);
    if (!CreateProcessW(NULL, line, NULL, NULL, TRUE, CREATE_NO_WINDOW, NULL, NULL, &start, &child)) return 122;
    CloseHandle(out_write);
    CloseHandle(err_write);
    HANDLE readers[] = {CreateThread(NULL, 0, hand_on, out_read, 0, NULL), CreateThread(NULL, 0, hand_on, err_read, 0, NULL)};

    BOOL is_cancelled = FALSE;
    while (WaitForSingleObject(child.hProcess, LOOK_EVERY) == WAIT_TIMEOUT) {
        if (is_cancelled || GetFileAttributesW(cancel_file) == INVALID_FILE_ATTRIBUTES) continue;
        press_ctrl_c(child.dwProcessId);
        is_cancelled = TRUE;
    }
    WaitForMultipleObjects(2, readers, TRUE, 5000);
    DWORD exit_code;
    GetExitCodeProcess(child.hProcess, &exit_code);
    return (int)exit_code;
}
