// libcurl, opened on first use instead of linked: linking it costs 6 ms of start-up (36 shared objects are mapped and
// bound), and most of what cooper does (help, hashes, archives from a store) sends no request.
#pragma once

#include <curl/curl.h>

#include <string>
#include <type_traits>

namespace cooper {

/// The functions that we use, by their own names and types. One per process; safe to call from any thread.
struct CurlLibrary {
    decltype(&::curl_easy_init) easy_init;
    decltype(&::curl_easy_cleanup) easy_cleanup;
    decltype(&::curl_easy_reset) easy_reset;
    decltype(&::curl_easy_setopt) easy_setopt;
    decltype(&::curl_easy_getinfo) easy_getinfo;
    decltype(&::curl_easy_pause) easy_pause;
    decltype(&::curl_easy_strerror) easy_strerror;
    decltype(&::curl_multi_init) multi_init;
    decltype(&::curl_multi_cleanup) multi_cleanup;
    decltype(&::curl_multi_add_handle) multi_add_handle;
    decltype(&::curl_multi_remove_handle) multi_remove_handle;
    decltype(&::curl_multi_perform) multi_perform;
    decltype(&::curl_multi_poll) multi_poll;
    decltype(&::curl_multi_wakeup) multi_wakeup;
    decltype(&::curl_multi_info_read) multi_info_read;
    decltype(&::curl_multi_strerror) multi_strerror;
    decltype(&::curl_share_init) share_init;
    decltype(&::curl_share_setopt) share_setopt;
    decltype(&::curl_share_cleanup) share_cleanup;
    decltype(&::curl_slist_append) slist_append;
    decltype(&::curl_slist_free_all) slist_free_all;
    decltype(&::curl_version_info) version_info;

    /// Opens and initialises the library on the first call. Throws Error{System} when there is none.
    static const CurlLibrary& get();

    /// curl_easy_setopt with the argument's type checked against the option: the function is variadic, so an int for a
    /// long would be garbage. Throws Error{System} when libcurl does not take the value.
    template <CURLoption Option, class Value>
    void set(CURL* easy, Value value) const {
        constexpr int kind = Option / 10000 * 10000;
        if constexpr (kind == CURLOPTTYPE_LONG) {
            static_assert(std::is_same_v<Value, long>);
        } else if constexpr (kind == CURLOPTTYPE_OFF_T) {
            static_assert(std::is_same_v<Value, curl_off_t>);
        } else {
            static_assert(std::is_pointer_v<Value>);
        }
        check(Option, easy_setopt(easy, Option, value));
    }

private:
    void check(CURLoption option, CURLcode code) const;
};

}  // namespace cooper
