/* Holds a folder open for some milliseconds at a time, as a virus scanner or an indexer does: nobody can rename it then.
 *
 *   hold <folder> <milliseconds held> <milliseconds let go> <times>
 */
#include <stdlib.h>
#include <windows.h>

int wmain(int count, WCHAR **words)
{
    if (count < 5) return 2;
    int held = _wtoi(words[2]), free_for = _wtoi(words[3]), times = _wtoi(words[4]);
    while (times-- > 0) {
        HANDLE folder = CreateFileW(words[1], GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, OPEN_EXISTING,
                                    FILE_FLAG_BACKUP_SEMANTICS, NULL);
        Sleep(held);
        if (folder != INVALID_HANDLE_VALUE) CloseHandle(folder);
        Sleep(free_for);
    }
    return 0;
}
