#pragma once

#include <boost/asio/awaitable.hpp>
#include <memory>

#include "core/error.hpp"
#include "http/message.hpp"
#include "videos/uploads/tus.hpp"
#include "videos/uploads/upload_service.hpp"

namespace infernode {

// Takes a body as the next bytes of an upload, whose offset is then how far it has come. Where the
// line breaks, what had come counts, unless a checksum was announced, which is of the whole body.
// conflict: another connection goes on. checksum_mismatch: nothing of the body counts. too_large:
// it is more than the upload has. Throws what the body throws.
asio::awaitable<Result<void>> receive_piece(UploadService& uploads, ReceivingUpload& receiving,
                                            http::BodyStream& body,
                                            std::unique_ptr<tus::Checksum> checksum);

}  // namespace infernode
