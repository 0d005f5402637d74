/** Why a signature proves nothing; goes on from "the signature". */
export class SignatureFault extends Error {}
