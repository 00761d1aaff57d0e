#include "base/curl_library.hpp"

#include "cooper/base/error.hpp"

#include <dlfcn.h>

#include <new>

namespace cooper {

namespace {

constexpr const char* kName = "libcurl.so.4";
constexpr unsigned kOldest = 0x075000;  // 7.80: curl_multi_poll and curl_multi_wakeup without their early bugs

[[noreturn]] void fail(const std::string& why) {
    throw Error(ErrorCode::System, std::string("cannot use ") + kName + ": " + why)
        .advise("Install libcurl 7.80 or later (Debian, Ubuntu: apt-get install libcurl4)");
}

template <class Function>
void bind(void* library, const char* name, Function& function) {
    void* const symbol = ::dlsym(library, name);
    if (symbol == nullptr) {
        fail(std::string("it has no ") + name);
    }
    function = reinterpret_cast<Function>(symbol);
}

CurlLibrary open_library() {
    // RTLD_LOCAL: its 36 libraries' symbols stay out of the way of the program that links cooper. Never closed.
    void* const library = ::dlopen(kName, RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
        const char* const why = ::dlerror();  // NOLINT(concurrency-mt-unsafe): per thread in glibc
        fail(why == nullptr ? "it cannot be opened" : why);
    }
    CurlLibrary curl{};
    bind(library, "curl_easy_init", curl.easy_init);
    bind(library, "curl_easy_cleanup", curl.easy_cleanup);
    bind(library, "curl_easy_reset", curl.easy_reset);
    bind(library, "curl_easy_setopt", curl.easy_setopt);
    bind(library, "curl_easy_getinfo", curl.easy_getinfo);
    bind(library, "curl_easy_pause", curl.easy_pause);
    bind(library, "curl_easy_strerror", curl.easy_strerror);
    bind(library, "curl_multi_init", curl.multi_init);
    bind(library, "curl_multi_cleanup", curl.multi_cleanup);
    bind(library, "curl_multi_add_handle", curl.multi_add_handle);
    bind(library, "curl_multi_remove_handle", curl.multi_remove_handle);
    bind(library, "curl_multi_perform", curl.multi_perform);
    bind(library, "curl_multi_poll", curl.multi_poll);
    bind(library, "curl_multi_wakeup", curl.multi_wakeup);
    bind(library, "curl_multi_info_read", curl.multi_info_read);
    bind(library, "curl_multi_strerror", curl.multi_strerror);
    bind(library, "curl_share_init", curl.share_init);
    bind(library, "curl_share_setopt", curl.share_setopt);
    bind(library, "curl_share_cleanup", curl.share_cleanup);
    bind(library, "curl_slist_append", curl.slist_append);
    bind(library, "curl_slist_free_all", curl.slist_free_all);
    bind(library, "curl_version_info", curl.version_info);

    decltype(&::curl_global_init) global_init = nullptr;
    bind(library, "curl_global_init", global_init);
    if (const CURLcode code = global_init(CURL_GLOBAL_DEFAULT); code != CURLE_OK) {
        fail(curl.easy_strerror(code));
    }
    const curl_version_info_data* const info = curl.version_info(CURLVERSION_NOW);
    if (info->version_num < kOldest) {
        fail(std::string("it is version ") + info->version);
    }
    return curl;
}

}  // namespace

const CurlLibrary& CurlLibrary::get() {
    static const CurlLibrary library = open_library();
    return library;
}

void CurlLibrary::check(CURLoption option, CURLcode code) const {
    if (code == CURLE_OUT_OF_MEMORY) {
        throw std::bad_alloc();
    }
    if (code != CURLE_OK) {
        throw Error(ErrorCode::System, "libcurl refused option " + std::to_string(option) + ": " + easy_strerror(code));
    }
}

}  // namespace cooper
