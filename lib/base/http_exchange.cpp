#include "base/http_exchange.hpp"

#include "cooper/base/error.hpp"

#include "base/http_proxy.hpp"
#include "base/http_sigpipe.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace cooper {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr int kExpectationFailed = 417;
constexpr std::size_t kSmallRest = 64 * 1024;  // an answer that is copied so that its connection is free at once
constexpr milliseconds kLongestWait{60'000};   // for one poll; libcurl's own timers make it shorter

}  // namespace

void HttpSpill::put(Bytes bytes) {
    std::memcpy(memory_ + end_, bytes.data(), bytes.size());
    end_ += bytes.size();
}

std::size_t HttpSpill::take(MutableBytes into) {
    const std::size_t count = std::min(into.size(), size());
    std::memcpy(into.data(), memory_ + begin_, count);
    begin_ += count;
    if (begin_ == end_) {
        begin_ = end_ = 0;
    }
    return count;
}

void HttpSpill::keep_own() {
    own_.assign(memory_ + begin_, memory_ + end_);
    memory_ = own_.data();
    begin_ = 0;
    end_ = own_.size();
}

HttpExchange::HttpExchange(std::shared_ptr<HttpPool> pool, const HttpRequest& request, HttpRoute route, const Run& run)
    : pool_(std::move(pool)),
      curl_(pool_->curl()),
      handles_(pool_->take(route.key)),
      route_(std::move(route)),
      method_(request.method),
      url_(request.url),
      uses_tls_(url_.scheme == "https" || route_.proxy.starts_with("https:")),
      // A proxy resolves the name itself and is where the user wants it: only addresses that we choose are checked.
      public_address_only_(request.public_address_only && route_.proxy.empty()),
      expects_(request.expect_continue && request.body),
      run_(run),
      stall_timeout_(request.stall_timeout),
      header_list_(nullptr, SlistFree{curl_.slist_free_all}),
      request_body_(request.body),
      spill_(handles_->spill()) {
    if (request.response_timeout.count() > 0) {
        head_deadline_ = steady_clock::now() + request.response_timeout;
    }
    failure_.unix_socket = request.unix_socket;
    set_up(request);
    if (const CURLMcode code = curl_.multi_add_handle(handles_->multi(), handles_->easy()); code != CURLM_OK) {
        throw Error(ErrorCode::System, std::string("libcurl cannot begin a transfer: ") + curl_.multi_strerror(code));
    }
    waker_.emplace(run_.stop, Waker{handles_.get()});
}

HttpExchange::~HttpExchange() {
    if (handles_) {
        drain_what_is_there();
        let_go(done_ && failure_.code == CURLE_OK);
    }
}

HttpOutcome HttpExchange::receive_head() {
    drive(Until::Head);
    if (expects_ && head_.status() == kExpectationFailed) {
        let_go(false);
        return HttpOutcome::ExpectationFailed;
    }
    if (!head_.complete()) {
        if (is_unknown_authority(failure_)) {
            let_go(false);
            return HttpOutcome::UnknownAuthority;
        }
        throw failure();
    }
    HttpResponse lengths;
    lengths.headers = head_.headers();
    declared_length_ = lengths.content_length();
    if (done_ && spill_.size() <= kSmallRest) {
        spill_.keep_own();
        let_go(failure_.code == CURLE_OK);
    }
    return HttpOutcome::Answered;
}

std::size_t HttpExchange::read(MutableBytes into) {
    if (into.empty()) {
        return 0;
    }
    if (!spill_.empty()) {
        return spill_.take(into);
    }
    target_ = into;
    target_filled_ = 0;
    if (!done_) {
        drive(Until::Body);
    }
    target_ = {};
    if (target_filled_ == 0) {
        check_end();
        let_go(failure_.code == CURLE_OK);
    }
    return target_filled_;
}

/// Runs the transfer until what the caller waits for is there, or it is over.
void HttpExchange::drive(Until until) {
    Instant since = steady_clock::now();
    std::uint64_t moved = bytes_moved();
    while (true) {
        run_.check();
        perform();
        if (done_ || reached(until)) {
            return;
        }
        if (const std::uint64_t now_moved = bytes_moved(); now_moved != moved) {
            moved = now_moved;
            since = steady_clock::now();
        }
        wait(since, until);
    }
}

bool HttpExchange::reached(Until until) const {
    if (until == Until::Body) {
        return target_filled_ > 0;
    }
    // A server may say 201 before it has everything. After 3xx, 4xx and 5xx libcurl stops sending. When it pauses, the
    // server may be waiting for us to read.
    return head_.complete() && (head_.status() >= 300 || receiving_paused_ || is_sent());
}

bool HttpExchange::is_sent() const {
    if (!request_body_) {
        return true;
    }
    curl_off_t count = 0;
    curl_.easy_getinfo(handles_->easy(), CURLINFO_SIZE_UPLOAD_T, &count);
    return static_cast<std::uint64_t>(count) >= request_body_->size();
}

void HttpExchange::perform() {
    const SigpipeGuard guard(uses_tls_);
    if (receiving_paused_ || sending_paused_) {
        receiving_paused_ = false;
        sending_paused_ = false;
        curl_.easy_pause(handles_->easy(), CURLPAUSE_CONT);
    }
    int running = 0;
    const CURLMcode code = curl_.multi_perform(handles_->multi(), &running);
    if (thrown_) {
        std::rethrow_exception(std::exchange(thrown_, nullptr));
    }
    if (code != CURLM_OK) {
        throw Error(ErrorCode::System, std::string("libcurl cannot go on: ") + curl_.multi_strerror(code));
    }
    int left = 0;
    while (const CURLMsg* const message = curl_.multi_info_read(handles_->multi(), &left)) {
        if (message->msg == CURLMSG_DONE) {
            done_ = true;
            failure_.code = message->data.result;
            failure_.detail = error_text_.data();
            failure_.proxy = redacted_proxy(route_.proxy);
            curl_.easy_getinfo(handles_->easy(), CURLINFO_OS_ERRNO, &failure_.system_error);
            curl_.easy_getinfo(handles_->easy(), CURLINFO_SSL_VERIFYRESULT, &failure_.verify_result);
        }
    }
}

void HttpExchange::wait(Instant since, Until until) const {
    const Instant now = steady_clock::now();
    const Instant stalled_at = since + stall_timeout_;
    const auto failed = [this](const std::string& what) {
        return Error(ErrorCode::Unavailable, method_ + " " + url_.redacted() + ": " + what);
    };
    if (now >= stalled_at) {
        throw failed("the server has stalled: no byte in either direction for " +
                     std::to_string(stall_timeout_.count()) + " ms");
    }
    Instant wake_at = std::min(stalled_at, now + kLongestWait);
    if (until == Until::Head && head_deadline_) {
        if (now >= *head_deadline_) {
            throw failed("no answer in time");
        }
        wake_at = std::min(wake_at, *head_deadline_);
    }
    if (receiving_paused_ || sending_paused_) {
        return;
    }
    const auto timeout = std::chrono::ceil<milliseconds>(wake_at - now);
    curl_.multi_poll(handles_->multi(), nullptr, 0, static_cast<int>(timeout.count()), nullptr);
}

std::uint64_t HttpExchange::bytes_moved() const {
    curl_off_t sent = 0;
    curl_.easy_getinfo(handles_->easy(), CURLINFO_SIZE_UPLOAD_T, &sent);
    return static_cast<std::uint64_t>(sent) + received_;
}

Error HttpExchange::failure() const {
    HttpFailure known = failure_;
    known.head_received = head_.complete();
    known.body_bytes = body_bytes_;
    return describe(known, method_, url_);
}

/// Throws unless the body came to its proper end.
void HttpExchange::check_end() const {
    // The server answered early and closed while we were still sending: its answer counts when all of it is there.
    const bool answered_early =
        failure_.code == CURLE_SEND_ERROR && (!declared_length_ || *declared_length_ == body_bytes_);
    if (failure_.code != CURLE_OK && !answered_early) {
        throw failure();
    }
}

void HttpExchange::let_go(bool reusable) noexcept {
    waker_.reset();  // waits for a stop request that is waking the handles just now
    if (!handles_) {
        return;
    }
    if (!done_) {
        // A name that is still being resolved would hold us up for the resolver's own time-out (since 7.87).
        curl_.easy_setopt(handles_->easy(), CURLOPT_QUICK_EXIT, 1L);
    }
    {
        const SigpipeGuard guard(uses_tls_);
        curl_.multi_remove_handle(handles_->multi(), handles_->easy());
    }
    if (reusable) {
        pool_->give_back(std::move(handles_));
    }
    handles_.reset();
}

/// The last bytes of a short body may be here already: then the connection need not be closed.
void HttpExchange::drain_what_is_there() {
    constexpr std::uint64_t kWorthDraining = 64 * 1024;
    if (done_ || !head_.complete() || !declared_length_ || *declared_length_ - body_bytes_ > kWorthDraining ||
        run_.stop.stop_requested()) {
        return;
    }
    discarding_ = true;
    try {
        perform();
    } catch (...) {
        done_ = false;  // closed by let_go(): nothing depends on it
    }
}

std::size_t HttpExchange::on_header(char* data, std::size_t size, std::size_t count, void* self) noexcept {
    auto& exchange = *static_cast<HttpExchange*>(self);
    try {
        exchange.received_ += size * count;
        exchange.head_.add_line({data, size * count});
        // libcurl would send again by itself, Expect and all.
        const bool refused = exchange.expects_ && exchange.head_.status() == kExpectationFailed;
        return refused ? 0 : size * count;
    } catch (Error& error) {
        try {
            error.add_context(exchange.method_ + " " + exchange.url_.redacted());
        } catch (...) {
            // without its context, then
        }
        exchange.thrown_ = std::current_exception();
    } catch (...) {
        exchange.thrown_ = std::current_exception();
    }
    return 0;
}

std::size_t HttpExchange::on_body(char* data, std::size_t size, std::size_t count, void* self) noexcept {
    auto& exchange = *static_cast<HttpExchange*>(self);
    const Bytes chunk(reinterpret_cast<const std::byte*>(data), size * count);
    if (exchange.discarding_) {
        exchange.received_ += chunk.size();
        return chunk.size();
    }
    return exchange.take_body(chunk);
}

std::size_t HttpExchange::take_body(Bytes chunk) {
    const std::size_t wanted = target_.size() - target_filled_;
    if (chunk.size() > wanted + spill_.room()) {
        receiving_paused_ = true;
        return CURL_WRITEFUNC_PAUSE;  // libcurl keeps the chunk
    }
    const Bytes direct = chunk.first(std::min(chunk.size(), wanted));
    std::copy(direct.begin(), direct.end(), target_.begin() + static_cast<std::ptrdiff_t>(target_filled_));
    target_filled_ += direct.size();
    spill_.put(chunk.subspan(direct.size()));
    received_ += chunk.size();
    body_bytes_ += chunk.size();
    return chunk.size();
}

std::size_t HttpExchange::on_send(char* into, std::size_t size, std::size_t count, void* self) noexcept {
    auto& exchange = *static_cast<HttpExchange*>(self);
    try {
        return exchange.next_to_send({reinterpret_cast<std::byte*>(into), size * count});
    } catch (...) {
        exchange.thrown_ = std::current_exception();
        return CURL_READFUNC_ABORT;
    }
}

std::size_t HttpExchange::next_to_send(MutableBytes into) {
    if (!held_.empty()) {
        const std::size_t length = held_.size();  // libcurl's buffer has one size, which it came from
        std::memcpy(into.data(), held_.data(), length);
        held_.clear();
        return length;
    }
    if (!request_body_ || sent_ == request_body_->size()) {
        return 0;
    }
    if (!sending_) {
        sending_ = request_body_->open(sent_, request_body_->size() - sent_);
    }
    const std::size_t length = sending_->read(into);
    if (length == 0) {
        throw Error(ErrorCode::Integrity, method_ + " " + url_.redacted() + ": the body to send ended after " +
                                              std::to_string(sent_) + " of " + std::to_string(request_body_->size()) +
                                              " bytes");
    }
    sent_ += length;
    // Sending on a connection that the server has closed loses the answer that it sent before: read that first.
    if (handles_->is_readable()) {
        held_.assign(into.begin(), into.begin() + static_cast<std::ptrdiff_t>(length));
        sending_paused_ = true;
        return CURL_READFUNC_PAUSE;
    }
    return length;
}

int HttpExchange::on_seek(void* self, curl_off_t offset, int origin) noexcept {
    auto& exchange = *static_cast<HttpExchange*>(self);
    if (origin != SEEK_SET || offset < 0) {
        return CURL_SEEKFUNC_CANTSEEK;
    }
    exchange.sending_.reset();  // opened again at the offset when asked for bytes
    exchange.held_.clear();
    exchange.sent_ = static_cast<std::uint64_t>(offset);
    return CURL_SEEKFUNC_OK;
}

}  // namespace cooper
