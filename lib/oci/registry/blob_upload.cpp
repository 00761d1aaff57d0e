#include "oci/registry/blob_upload.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"

#include "oci/printable.hpp"
#include "oci/registry/registry_error.hpp"

#include <algorithm>

namespace cooper::oci {

namespace {

/// A session that goes away again and again is a registry of several servers that do not share them.
constexpr int kMaxLostSessions = 5;
/// Broken connections that left nothing at the server, before smaller requests are tried.
constexpr int kBreaksBeforeChunks = 2;
constexpr std::uint64_t kFirstChunk = 64ULL * 1024 * 1024;
constexpr std::uint64_t kSmallestChunk = 256ULL * 1024;

/// 64 MiB, 16, 4, 1 MiB, 256 KiB: the first that is smaller than `length`. 0: none is.
std::uint64_t smaller_chunk(std::uint64_t length) {
    std::uint64_t chunk = kFirstChunk;
    while (chunk >= length && chunk > 0) {
        chunk = chunk == kSmallestChunk ? 0 : chunk / 4;
    }
    return chunk;
}

}  // namespace

void UploadTarget::lower_chunk_size(std::uint64_t to) {
    std::uint64_t now = chunk_size.load();
    while ((now == 0 || now > to) && !chunk_size.compare_exchange_weak(now, to)) {
    }
}

std::optional<std::uint64_t> parse_upload_range(std::string_view text) {
    text = trim(text);
    for (const std::string_view unit : {"bytes=", "bytes "}) {
        if (text.starts_with(unit)) {
            text.remove_prefix(unit.size());
        }
    }
    if (!text.starts_with("0-")) {
        return std::nullopt;
    }
    return parse_uint(text.substr(2));
}

Presence find_blob(RegistryRepository& repository, const Descriptor& blob, const Run& run) {
    RepositoryRequest request;
    request.method = "HEAD";
    request.path = "/blobs/" + blob.digest.text();
    request.headers = {{"Accept-Encoding", "identity"}};
    request.what = "blob " + repository.reference().repository() + "@" + blob.digest.shortened();
    Retrier retrier = repository.retrier(run);
    try {
        const HttpResponse response = repository.send(request, retrier, run).response;
        if (response.status != 200) {
            return response.status == 404 ? Presence::Absent : Presence::Unknown;
        }
        return response.content_length().value_or(blob.size) == blob.size ? Presence::There : Presence::OtherSize;
    } catch (const HttpError& error) {
        if (error.code() == ErrorCode::AccessDenied) {
            return Presence::Unknown;
        }
        throw;
    }
}

void refuse_push(RegistryRepository& repository, HttpResponse& response, const RepositoryRequest& request,
                 const Run& run) {
    try {
        repository.refuse(response, request, run);
    } catch (HttpError& error) {
        const std::string& name = repository.reference().repository();
        if (error.code() == ErrorCode::NotFound) {
            error.advise("Some registries want the repository to be made before the first push: make " + name + ".");
        } else if (error.status() == 405) {
            error.advise("This registry takes no pushes to " + name + ": it is read-only, or a cache of another one.");
        }
        throw;
    }
}

BlobUpload::BlobUpload(UploadTarget& target, const Descriptor& blob, const Blobs& source, UploadSession* session,
                       BlobFeed::Moved moved, const Run& run)
    : target_(target),
      repository_(*target.repository),
      blob_(blob),
      session_file_(session),
      run_(run),
      feed_(source, blob, run, std::move(moved)),
      retrier_(repository_.retrier(run)),
      what_("blob " + repository_.reference().repository() + "@" + blob.digest.shortened()) {}

UploadOutcome BlobUpload::send() {
    if (session_file_ != nullptr) {
        location_ = session_file_->find();
        from_earlier_ = unsure_ = location_.has_value();
    }
    try {
        while (!done_) {
            run_.check();
            try {
                step();
                retrier_.succeeded();
            } catch (Error& error) {
                feed_.rethrow_failure();  // ours, not the registry's: no further try helps
                if (gave_up_ || !may_try_again(error, retrier_)) {
                    if (retrier_.tries() > 1) {
                        error.add_context("gave up after " + std::to_string(retrier_.tries()) + " tries");
                    }
                    throw;
                }
                connection_broke(error);
            }
        }
    } catch (const Error&) {
        if (session_file_ == nullptr) {
            abandon();
        }
        throw;
    }
    return {mounted_ ? Arrival::Mounted : Arrival::Sent, inherited_};
}

void BlobUpload::step() {
    if (maybe_there_) {
        maybe_there_ = false;
        if (find_blob(repository_, blob_, run_) == Presence::There) {
            return done();
        }
    }
    if (!location_) {
        begin();
    } else if (unsure_) {
        resume();
    } else if (offset_ < blob_.size && !in_one_request()) {
        send_chunk();
    } else {
        complete();
    }
}

bool BlobUpload::in_one_request() const {
    return offset_ == 0 && !wants_patch_ && next_chunk() == blob_.size;
}

std::uint64_t BlobUpload::next_chunk() const {
    const std::uint64_t rest = blob_.size - offset_;
    const std::uint64_t limit = target_.chunk_size.load();
    return limit == 0 ? rest : std::min(rest, std::max(limit, min_chunk_));
}

RepositoryRequest BlobUpload::request(std::string method, std::optional<Url> url) const {
    RepositoryRequest request;
    request.method = std::move(method);
    request.what = what_;
    request.url = std::move(url);
    return request;
}

void BlobUpload::begin() {
    if (mount() || location_) {
        return;
    }
    RepositoryRequest post = request("POST", std::nullopt);
    post.path = "/blobs/uploads/";
    RepositoryAnswer answer = repository_.send_once(post, run_);
    if (answer.response.status != 202) {
        refuse_push(repository_, answer.response, post, run_);
    }
    open_session(answer, post);
}

bool BlobUpload::mount() {
    for (MountSource& source : target_.mounts) {
        if (source.refused) {
            continue;
        }
        RepositoryRequest post = request("POST", std::nullopt);
        post.path =
            "/blobs/uploads/?mount=" + blob_.digest.text() + "&from=" + percent_encode(source.repository.path(), "/");
        try {
            RepositoryAnswer answer = source.target->send_once(post, run_);
            if (answer.response.status == 201) {
                abandon();
                mounted_ = true;
                done();
                return true;
            }
            if (answer.response.status == 202) {
                abandon();
                open_session(answer, post);
            } else {
                drain(answer.response);
                source.refused = true;
            }
        } catch (const Error& error) {
            // We may not read there, or get no token for both: then the blob is sent as if nobody had it.
            if (error.code() != ErrorCode::AccessDenied) {
                throw;
            }
            source.refused = true;
        }
    }
    return false;
}

void BlobUpload::open_session(RepositoryAnswer& answer, const RepositoryRequest& request) {
    if (!answer.response.headers.find("Location")) {
        throw Error(ErrorCode::Unsupported,
                    request.what + ": " + answer.url.authority() + " opens an upload without saying where");
    }
    min_chunk_ = parse_uint(trim(answer.response.headers.find("OCI-Chunk-Min-Length").value_or(""))).value_or(0);
    offset_ = sent_ = 0;
    in_parts_ = false;
    unsure_ = false;
    move_to(answer);
    drain(answer.response);
    retrier_.made_progress();  // not for ever: lost sessions are counted
}

/// Every answer's Location replaces the one before.
void BlobUpload::move_to(const RepositoryAnswer& answer) {
    const auto location = answer.response.headers.find("Location");
    if (!location) {
        return;
    }
    location_ = repository_.locate(answer, *location);
    if (session_file_ != nullptr) {
        session_file_->remember(*location_);
    }
}

void BlobUpload::resume() {
    RepositoryAnswer answer = repository_.send_once(request("GET", location_), run_);
    const int status = answer.response.status;
    const auto last = parse_upload_range(answer.response.headers.find("Range").value_or(""));
    drain(answer.response);
    const std::uint64_t most = from_earlier_ ? blob_.size : sent_;
    const bool known = status >= 200 && status <= 299 && last && *last < std::max<std::uint64_t>(most, 1);
    if (!known) {
        maybe_there_ = true;
        return lose_session("it does not know it any more");
    }
    const std::uint64_t there = *last == 0 ? 0 : *last + 1;  // "0-0" is what an empty session says
    if (there > offset_) {
        retrier_.made_progress();
        breaks_ = 0;
    }
    if (from_earlier_) {
        inherited_ = sent_ = there;
        from_earlier_ = false;
    }
    offset_ = there;
    in_parts_ = there > 0;
    unsure_ = false;
    move_to(answer);
}

void BlobUpload::send_chunk() {
    const std::uint64_t length = next_chunk();
    RepositoryRequest patch = request("PATCH", location_);
    patch.headers = {{"Content-Type", "application/octet-stream"},
                     {"Content-Range", std::to_string(offset_) + "-" + std::to_string(offset_ + length - 1)}};
    patch.body = feed_.part(offset_, length);
    sent_ = offset_ + length;
    unsure_ = true;
    RepositoryAnswer answer = repository_.send_once(patch, run_);
    if (answer.response.status < 200 || answer.response.status > 299) {
        return refused(answer, patch, length);
    }
    take_chunk(answer, length);
}

/// The server's Range counts, not what we sent: some take a part of a chunk, some ignore where it belongs.
void BlobUpload::take_chunk(RepositoryAnswer& answer, std::uint64_t length) {
    const std::uint64_t end = offset_ + length;
    const auto last = parse_upload_range(answer.response.headers.find("Range").value_or(""));
    drain(answer.response);
    move_to(answer);
    const std::uint64_t there = last ? *last + 1 : end;
    if (there > end) {
        return lose_session("it says that it has " + std::to_string(there) + " bytes of " + std::to_string(end));
    }
    unsure_ = false;
    in_parts_ = true;
    if (there <= offset_ || (there == 1 && end > 1)) {
        unsure_ = true;
        throw Error(ErrorCode::Unavailable, what_ + ": " + answer.url.authority() + " takes nothing of " +
                                                std::to_string(length) + " bytes that were sent");
    }
    offset_ = there;
    breaks_ = 0;
    retrier_.made_progress();
}

void BlobUpload::complete() {
    const bool whole = offset_ < blob_.size;
    Url url = *location_;
    url.query += (url.query.empty() ? "digest=" : "&digest=") + blob_.digest.text();
    RepositoryRequest put = request("PUT", url);
    put.headers = {{"Content-Type", "application/octet-stream"}};
    if (whole) {
        put.body = feed_.part(0, blob_.size);
        sent_ = blob_.size;
    } else {
        feed_.check();  // before the server may give it its name
    }
    unsure_ = true;
    RepositoryAnswer answer = repository_.send_once(put, run_);
    if (answer.response.status != 201 && answer.response.status != 204) {
        return refused(answer, put, whole ? blob_.size : 0);
    }
    drain(answer.response);
    check_completed(answer);
    done();
}

void BlobUpload::check_completed(const RepositoryAnswer& answer) {
    feed_.check();
    const auto told = Digest::try_parse(answer.response.headers.find("Docker-Content-Digest").value_or(""));
    if (told && told->algorithm() == blob_.digest.algorithm() && *told != blob_.digest) {
        throw IntegrityError(what_ + ", as the registry took it", blob_.digest.text(), told->text());
    }
    // ECR drops all but the first part and answers 201 all the same.
    if (in_parts_ && find_blob(repository_, blob_, run_) == Presence::OtherSize) {
        Error error(ErrorCode::Integrity, what_ + ": the registry says that it took the blob, but it has another size");
        error.advise("It does not put the parts of an upload together: each blob must reach it in one request.");
        throw error;
    }
}

void BlobUpload::done() {
    done_ = true;
    if (session_file_ != nullptr) {
        session_file_->forget();
    }
}

void BlobUpload::refused(RepositoryAnswer& answer, const RepositoryRequest& request, std::uint64_t length) {
    try {
        refuse_push(repository_, answer.response, request, run_);
    } catch (const HttpError& refusal) {
        if (!may_go_on(refusal, request.method == "PUT", length)) {
            throw;
        }
    }
}

bool BlobUpload::may_go_on(const HttpError& refusal, bool completes, std::uint64_t length) {
    const int status = refusal.status();
    if (status == 413) {
        const std::uint64_t smaller = smaller_chunk(length);
        if (smaller == 0 || length <= min_chunk_) {
            return false;
        }
        target_.lower_chunk_size(smaller);
        return true;
    }
    if (refusal.server_code() == "DIGEST_INVALID") {
        if (++wrong_digests_ > 1) {
            throw Error(ErrorCode::Integrity,
                        std::string(refusal.what()) + ": what was sent is right, what arrived is not");
        }
        lose_session("the bytes arrived wrong");
        return true;
    }
    if (completes && length > 0) {
        wants_patch_ = true;  // as some Artifactory set-ups
        lose_session(refusal.what());
        return true;
    }
    const bool gone =
        status == 400 || status == 401 || status == 403 || status == 404 || status == 410 || status == 416;
    if (gone) {
        lose_session(refusal.what());
    }
    return gone;
}

/// A connection that breaks at the same place each time may be a proxy's limit: smaller requests get through.
void BlobUpload::connection_broke(const Error& error) {
    if (!location_ || dynamic_cast<const HttpError*>(&error) != nullptr || ++breaks_ < kBreaksBeforeChunks) {
        return;
    }
    breaks_ = 0;
    if (const std::uint64_t smaller = smaller_chunk(next_chunk()); smaller > 0) {
        target_.lower_chunk_size(smaller);
    }
}

void BlobUpload::lose_session(const std::string& why) {
    if (++lost_sessions_ > kMaxLostSessions) {
        gave_up_ = true;
        throw Error(ErrorCode::Unavailable,
                    what_ + ": the registry lost the upload " + std::to_string(lost_sessions_) + " times: " + why);
    }
    location_.reset();
    offset_ = 0;
    inherited_ = 0;
    from_earlier_ = false;
    unsure_ = false;
    if (session_file_ != nullptr) {
        session_file_->forget();
    }
}

/// Best effort: the registry removes sessions that nobody ends some day.
void BlobUpload::abandon() noexcept {
    if (!location_) {
        return;
    }
    try {
        RepositoryAnswer answer = repository_.send_once(request("DELETE", location_), run_);
        drain(answer.response);
    } catch (...) {
        // nothing depends on it
    }
    location_.reset();
}

}  // namespace cooper::oci
